"""A Dockerfile as a list of instructions."""

import json
import re
import shlex
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Instruction:
    """One instruction: `word` in capitals, its arguments as text, and the number of its build stage."""

    word: str
    text: str
    stage: int

    @property
    def arguments(self) -> list[str]:
        """The arguments of the JSON form or of the plain one."""
        if (at := self.text.find("[")) >= 0:
            return json.loads(self.text[at:])
        return shlex.split(self.text)


def read_dockerfile(path: Path) -> list[Instruction]:
    lines = [line for line in path.read_text().splitlines() if not line.lstrip().startswith("#")]
    joined = "\n".join(lines).replace("\\\n", " ")
    found: list[Instruction] = []
    stage = -1
    for line in filter(str.strip, joined.splitlines()):
        word, _, text = line.strip().partition(" ")
        if not re.fullmatch("[A-Z]+", word):
            raise ValueError(f"not an instruction: {line!r}")
        stage += word == "FROM"
        found.append(Instruction(word, re.sub(r"\s+", " ", text), stage))
    return found
