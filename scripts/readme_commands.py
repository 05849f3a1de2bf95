"""Print the commands that README.md shows in its blocks marked `sh`, for a shell to run: python scripts/readme_commands.py README.md"""

import re
import sys
from pathlib import Path


def commands(text: str) -> list[str]:
    """The lines of every fenced block marked `sh`, without comments."""
    blocks = re.findall(r"^```sh\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL)
    return [line for block in blocks for line in block.splitlines() if line.strip() and not line.startswith("#")]


if __name__ == "__main__":
    print("\n".join(commands(Path(sys.argv[1]).read_text(encoding="utf-8"))))
