"""Who can be asked: the base of all providers, the ones that come along, and a way to find them."""

from __future__ import annotations

from .aichat import Aichat
from .base import Provider
from .demo import Demo
from .openai import OpenaiChat, OpenaiTemplate
from .registry import broken_plugins, get_provider, provider_names
from .retry import RetryProvider

__all__ = [
    "Aichat",
    "Demo",
    "OpenaiChat",
    "OpenaiTemplate",
    "Provider",
    "RetryProvider",
    "broken_plugins",
    "get_provider",
    "provider_names",
]
