"""A plugin that was written for a library which is not there."""  # noqa: INP001  # copied

import acme_of_yesterday  # type: ignore[import-not-found]  # noqa: F401  # the point of it
