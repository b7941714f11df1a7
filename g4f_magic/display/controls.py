"""Characters that do no good in an output."""

from __future__ import annotations

import re

# What moves the cursor or turns the direction of writing, and halves of characters, which no
# message to a front end can carry.
CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
