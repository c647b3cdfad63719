"""Print the n-th block of commands in the README, so that CI runs what newcomers read."""

import re
import sys
from pathlib import Path

readme = Path(__file__).parent.parent / "README.md"
blocks = re.findall(r"^```bash\n(.*?)^```$", readme.read_text("utf-8"), re.MULTILINE | re.DOTALL)
print(blocks[int(sys.argv[1]) - 1], end="")
