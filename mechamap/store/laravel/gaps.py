"""What a schema lacks and what follows from it, in sentences for ``flask doctor``."""

from .schema import Schema

_TABLES = {
    "users": "there is no table users: people are who their JWT says they are, and nobody can be barred here",
    "personal_access_tokens": "there is no table personal_access_tokens: Sanctum tokens are refused",
    "forums": "there is no table forums: nobody may enter a forum or a thread",
    "threads": "there is no table threads: nobody may enter a thread",
    "conversations": "there is no table conversations: nobody may enter a conversation or a group",
    "conversation_participants": "there is no table conversation_participants: nobody may enter a"
    " conversation that is not a group's",
    "group_members": "there is no table group_members: nobody may enter a group",
    "showcases": "there is no table showcases: nobody may enter a showcase",
    "marketplace_sellers": "there is no table marketplace_sellers: nobody may enter a seller's channel",
}

_COLUMNS = {
    ("users", "role"): "users has no column role: everyone is a guest",
    ("users", "status"): "users has no column status: it bars nobody",
    ("users", "is_active"): "users has no column is_active: it bars nobody",
    ("users", "banned_at"): "users has no column banned_at: nobody counts as banned",
    ("users", "password"): "users has no column password: nobody can sign in to the dashboard",
    (
        "forums",
        "required_role",
    ): "forums has no column required_role: every signed-in user may enter every forum that is not private",
    ("forums", "is_private"): "forums has no column is_private: no forum is private",
    ("threads", "forum_id"): "threads has no column forum_id: nobody may enter a thread",
    (
        "threads",
        "user_id",
    ): "threads has no column user_id: authors have no special right to their own threads",
    ("threads", "deleted_at"): "threads has no column deleted_at: no thread counts as deleted",
    ("threads", "hidden_at"): "threads has no column hidden_at: no thread counts as hidden",
    ("threads", "is_spam"): "threads has no column is_spam: no thread counts as spam",
    (
        "threads",
        "moderation_status",
    ): "threads has no column moderation_status: every thread counts as approved",
    ("conversations", "is_group"): "conversations has no column is_group: participants may enter them all",
    (
        "group_members",
        "is_active",
    ): "group_members has no column is_active: who left is told by left_at alone",
    ("showcases", "user_id"): "showcases has no column user_id: owners have no special right to their own",
    ("showcases", "status"): "showcases has no column status: every showcase counts as approved",
    ("showcases", "is_public"): "showcases has no column is_public: every showcase counts as public",
    ("marketplace_sellers", "user_id"): "marketplace_sellers has no column user_id: nobody may enter a"
    " seller's channel",
    (
        "personal_access_tokens",
        "expires_at",
    ): "personal_access_tokens has no column expires_at: tokens end only by SANCTUM_EXPIRATION",
}


def gaps_of(schema: Schema) -> list[str]:
    """One sentence for each table and column that is missed; none for a complete schema."""
    sentences = [sentence for table, sentence in _TABLES.items() if not schema.has(table)]
    sentences += [
        sentence
        for (table, column), sentence in _COLUMNS.items()
        if schema.has(table) and not schema.has(table, column)
    ]
    found = schema.notifications
    if found is None:
        sentences.append("no table of notifications has a known shape: marking as read is refused")
    elif found[0] == "custom_notifications":
        sentences.append("notifications are kept in custom_notifications, the name before August 2025")
    elif not schema.has(found[0], "read_at"):
        sentences.append(f"{found[0]} has no column read_at: the time of reading is not kept")
    return sentences
