"""The services that speak chat-completions, one row each, and how a row becomes a provider.

Addresses, variables and models are those of each project's documentation (2026-11).
"""

from __future__ import annotations

import functools
import os
import re
from dataclasses import dataclass
from typing import ClassVar
from urllib.parse import urlsplit

from .openai import OpenaiTemplate

_PLACE = re.compile(r"(?:\[(?P<v6>[^\]]*)\]|(?P<host>[^:\[\]]*))(?::(?P<port>[^:]*))?")
_EVERYWHERE = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104  # to ask, not to bind
_USUAL_PORTS = {"http": 80, "https": 443}
_LAST_PORT = 65535


@dataclass(frozen=True, slots=True)
class Preset:
    """One service: where it is, what it needs, and how a person gets going.

    ``host_env`` names a variable that says where the server listens;
    ``is_chosen_by_key`` is off where the variable of the key is often set for
    something else; ``site`` is where the key or the program comes from.
    """

    name: str
    api_base: str
    title: str = ""
    site: str = ""
    note: str = ""
    api_key_env: str = ""
    needs_auth: bool = False
    is_chosen_by_key: bool = True
    default_model: str = ""
    fallback_models: tuple[str, ...] = ()
    asks_for_usage: bool = True
    host_env: str = ""


HOSTED = (
    Preset(
        "openrouter",
        "https://openrouter.ai/api/v1",
        title="OpenRouter",
        site="https://openrouter.ai/settings/keys",
        note="One key for the models of many makers; those that end in `:free` cost nothing.",
        api_key_env="OPENROUTER_API_KEY",
        needs_auth=True,
        default_model="openrouter/auto",
    ),
    Preset(
        "groq",
        "https://api.groq.com/openai/v1",
        title="Groq",
        site="https://console.groq.com/keys",
        note="Make a key in the console; there is a free plan with rate limits.",
        api_key_env="GROQ_API_KEY",
        needs_auth=True,
        default_model="openai/gpt-oss-120b",
    ),
    Preset(
        "together",
        "https://api.together.ai/v1",
        title="Together AI",
        site="https://api.together.ai/settings/api-keys",
        note="Make a key in the settings of an account.",
        api_key_env="TOGETHER_API_KEY",
        needs_auth=True,
        default_model="openai/gpt-oss-20b",
    ),
    Preset(
        "deepseek",
        "https://api.deepseek.com",
        title="DeepSeek",
        site="https://platform.deepseek.com/api_keys",
        note="Make a key and top up the account.",
        api_key_env="DEEPSEEK_API_KEY",
        needs_auth=True,
        default_model="deepseek-flash",
    ),
    Preset(
        "mistral",
        "https://api.mistral.ai/v1",
        title="Mistral",
        site="https://console.mistral.ai/api-keys",
        note="Choose a plan in the console, then make a key.",
        api_key_env="MISTRAL_API_KEY",
        needs_auth=True,
        default_model="mistral-small-latest",
        asks_for_usage=False,  # sends it by itself, and has answered the question with 422 (2025)
    ),
    Preset(
        "xai",
        "https://api.x.ai/v1",
        title="xAI",
        site="https://console.x.ai",
        note="Make a key in the console and buy credits.",
        api_key_env="XAI_API_KEY",
        needs_auth=True,
        default_model="grok-4.3",
    ),
    Preset(
        "gemini",
        "https://generativelanguage.googleapis.com/v1beta/openai",
        title="Google Gemini",
        site="https://aistudio.google.com/apikey",
        note="Make a key in AI Studio; there is a free plan with rate limits.",
        api_key_env="GEMINI_API_KEY",
        needs_auth=True,
        default_model="gemini-flash-latest",
    ),
    Preset(
        "cerebras",
        "https://api.cerebras.ai/v1",
        title="Cerebras",
        site="https://cloud.cerebras.ai",
        note="Make a key in the console.",
        api_key_env="CEREBRAS_API_KEY",
        needs_auth=True,
        default_model="gpt-oss-120b",
    ),
    Preset(
        "deepinfra",
        "https://api.deepinfra.com/v1/openai",
        title="DeepInfra",
        site="https://deepinfra.com/dash/api_keys",
        note="Make a key in the dashboard.",
        api_key_env="DEEPINFRA_API_KEY",
        needs_auth=True,
        default_model="openai/gpt-oss-120b",
    ),
    Preset(
        "huggingface",
        "https://router.huggingface.co/v1",
        title="Hugging Face",
        site="https://huggingface.co/settings/tokens",
        note="The token must allow calls to Inference Providers; name the provider with `-p`.",
        api_key_env="HF_TOKEN",
        needs_auth=True,
        is_chosen_by_key=False,
        default_model="openai/gpt-oss-120b",
    ),
    Preset(
        "nvidia",
        "https://integrate.api.nvidia.com/v1",
        title="NVIDIA",
        site="https://build.nvidia.com",
        note="Join the developer programme and make a key on the page of a model.",
        api_key_env="NVIDIA_API_KEY",
        needs_auth=True,
        default_model="openai/gpt-oss-120b",
    ),
    Preset(
        "github",
        "https://models.github.ai/inference",
        title="GitHub Models",
        site="https://docs.github.com/en/github-models",
        note="GitHub retired it on 30 July 2026; the name stays for a gateway, by `G4F_API_BASE`.",
        api_key_env="GITHUB_TOKEN",
        needs_auth=True,
        is_chosen_by_key=False,
        default_model="openai/gpt-4o-mini",
    ),
    Preset(
        "perplexity",
        "https://api.perplexity.ai",
        title="Perplexity",
        site="https://www.perplexity.ai/settings/api",
        note="Make a key and buy credits; the answers come from a search of the web.",
        api_key_env="PERPLEXITY_API_KEY",
        needs_auth=True,
        default_model="sonar",
        # It lists no models.
        fallback_models=("sonar", "sonar-pro", "sonar-reasoning-pro", "sonar-deep-research"),
        asks_for_usage=False,  # sends it by itself
    ),
    Preset(
        "fireworks",
        "https://api.fireworks.ai/inference/v1",
        title="Fireworks",
        site="https://app.fireworks.ai/settings/users/api-keys",
        note="Make a key in the settings of an account.",
        api_key_env="FIREWORKS_API_KEY",
        needs_auth=True,
        default_model="accounts/fireworks/models/gpt-oss-120b",
    ),
    Preset(
        "sambanova",
        "https://api.sambanova.ai/v1",
        title="SambaNova",
        site="https://cloud.sambanova.ai/apis",
        note="Make a key in the console.",
        api_key_env="SAMBANOVA_API_KEY",
        needs_auth=True,
        default_model="gpt-oss-120b",
    ),
    Preset(
        "moonshot",
        "https://api.moonshot.ai/v1",
        title="Moonshot AI",
        site="https://platform.moonshot.ai/console/api-keys",
        note="Make a key; one made in China goes with `-p https://api.moonshot.cn/v1`.",
        api_key_env="MOONSHOT_API_KEY",
        needs_auth=True,
    ),
    Preset(
        "dashscope",
        "https://dashscope-intl.aliyuncs.com/compatible-mode/v1",
        title="Alibaba DashScope",
        site="https://www.alibabacloud.com/help/en/model-studio/get-api-key",
        note="Make a key for the Singapore region; keys of other regions go with their own URL.",
        api_key_env="DASHSCOPE_API_KEY",
        needs_auth=True,
        default_model="qwen-plus",
    ),
    Preset(
        "nebius",
        "https://api.tokenfactory.nebius.com/v1",
        title="Nebius Token Factory",
        site="https://tokenfactory.nebius.com",
        note="Make a key in the console.",
        api_key_env="NEBIUS_API_KEY",
        needs_auth=True,
        default_model="openai/gpt-oss-120b",
    ),
    Preset(
        "ovhcloud",
        "https://oai.endpoints.kepler.ai.cloud.ovh.net/v1",
        title="OVHcloud AI Endpoints",
        site="https://endpoints.ai.cloud.ovh.net",
        note="Works without a key, a few requests at a time; with one the limits are higher.",
        api_key_env="OVHCLOUD_API_KEY",
        default_model="gpt-oss-120b",
    ),
    Preset(
        "pollinations",
        "https://gen.pollinations.ai/v1",
        title="Pollinations",
        site="https://enter.pollinations.ai",
        note="Make a key on the site.",
        api_key_env="POLLINATIONS_API_KEY",
        needs_auth=True,
        default_model="openai",
    ),
)
"""Services on the net, in the order in which their keys are looked for."""

LOCAL_SERVERS = (
    Preset(
        "ollama",
        "http://127.0.0.1:11434/v1",
        title="Ollama",
        site="https://ollama.com/download",
        note="Start it and pull a model: `ollama pull llama3.2`.",
        host_env="OLLAMA_HOST",
    ),
    Preset(
        "lmstudio",
        "http://127.0.0.1:1234/v1",
        title="LM Studio",
        site="https://lmstudio.ai",
        note="Load a model and start the server: `lms server start`.",
    ),
    Preset(
        "llamacpp",
        "http://127.0.0.1:8080/v1",
        title="llama.cpp",
        site="https://github.com/ggml-org/llama.cpp",
        note="Start it with a model: `llama-server -m model.gguf`.",
    ),
    Preset(
        "vllm",
        "http://127.0.0.1:8000/v1",
        title="vLLM",
        site="https://docs.vllm.ai",
        note="Start it with a model: `vllm serve MODEL`.",
    ),
)
"""Servers on this machine, where they listen unless told otherwise."""

PRESETS = (*HOSTED, *LOCAL_SERVERS)


class FoundAgain(type):
    """The type of providers that no module holds: a pickle says how to get them."""


class Found(OpenaiTemplate, metaclass=FoundAgain):
    """A service known by a name or an address; ``found_as`` is what `get_provider` takes."""


class _PresetProvider(Found):
    """What a row becomes: the template, and a variable that may say where to ask."""

    host_env: ClassVar[str] = ""

    @classmethod
    def base_url(cls, api_base: str | None = None) -> str:
        told = os.environ.get(cls.host_env or " ", "")
        return super().base_url(api_base or (address(told, cls.api_base) if told.strip() else None))


@functools.cache
def from_preset(preset: Preset) -> type[OpenaiTemplate]:
    """Return the provider of a row; the same object each time."""
    fields = (
        "name",
        "api_base",
        "api_key_env",
        "needs_auth",
        "default_model",
        "fallback_models",
        "asks_for_usage",
        "host_env",
    )
    attributes = {field: getattr(preset, field) for field in fields}
    return type(preset.name, (_PresetProvider,), {**attributes, "found_as": preset.name})


def place(preset: Preset) -> tuple[str, int]:
    """Return the host and the port on which a local server is to be found now."""
    told = os.environ.get(preset.host_env or " ", "")
    parts = urlsplit(address(told, preset.api_base) if told.strip() else preset.api_base)
    return parts.hostname or "", parts.port or _USUAL_PORTS[parts.scheme]


def address(told: str, usual: str) -> str:
    """Return the base URL for a host as ``OLLAMA_HOST`` names it, the rest as in ``usual``.

    With or without scheme, port and path, as in Ollama's ``envconfig.Host``; an
    address to listen everywhere is one of this machine to ask.
    """
    told = told.strip().strip("\"'").strip()
    scheme, mark, rest = told.rpartition("://")
    parts = urlsplit(usual)
    port = _USUAL_PORTS.get(scheme.lower(), parts.port)
    where, _, path = rest.partition("/")
    found = _PLACE.fullmatch(where)
    host = where.replace("[", "").replace("]", "")  # an IPv6 address on its own
    if found:
        host = found["v6"] or found["host"] or ""
        if (given := found["port"] or "").isdecimal() and int(given) <= _LAST_PORT:
            port = int(given)
    host = _EVERYWHERE.get(host, host)
    host = f"[{host}]" if ":" in host else host
    path = f"/{path.strip('/')}" if path.strip("/") else ""
    return f"{scheme if mark else parts.scheme}://{host}:{port}{path}{parts.path}"
