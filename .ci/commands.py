"""Print the blocks of commands of a page, or its n-th alone, so that CI runs what newcomers read.

python3 .ci/commands.py PAGE [N]
"""

import re
import sys
from pathlib import Path

page, *number = sys.argv[1:]
text = (Path(__file__).parent.parent / page).read_text("utf-8")
blocks = re.findall(r"^```bash\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
print("".join(blocks if not number else [blocks[int(number[0]) - 1]]), end="")
