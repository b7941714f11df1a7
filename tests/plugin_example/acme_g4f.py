"""A provider that another package brings, as docs/providers.md tells to write one."""  # noqa: INP001  # copied

from __future__ import annotations

from g4f_magic.providers import OpenaiTemplate


class Acme(OpenaiTemplate):
    """The service of a firm."""

    name = "acme"
    api_base = "https://api.acme.example/v1"
    api_key_env = "ACME_API_KEY"
    needs_auth = True
    default_model = "acme-large"


NO_PROVIDER = {"name": "acme"}
