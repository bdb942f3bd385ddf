"""What people type to say who they are: when two spellings are one person's, and what is noted of it."""

import unicodedata

MAX_LOGIN = 191
"""Characters, as Laravel's columns of e-mail addresses and names have them."""
MAX_PASSWORD = 1000
"""Characters that are looked at; bcrypt uses the first 72 bytes."""


def folded(login: str) -> str:
    """One text for all spellings that open one account, so that tries under any of them count together.

    MySQL's collations take letters for equal that differ in case, accent or width. What they take for equal
    beyond that (characters of no width, for one) opens no account here.
    """
    text = unicodedata.normalize("NFKD", login.strip()[:MAX_LOGIN]).casefold()
    letters = (each for each in unicodedata.normalize("NFKD", text) if not unicodedata.combining(each))
    return "".join(letters).strip().encode(errors="replace").decode()


def masked(login: str) -> str:
    """Enough to recognise an attacked account; people type passwords into this field too."""
    name, at, domain = login.strip().partition("@")
    return f"{name[:2]}…{at}{domain[:60]}"
