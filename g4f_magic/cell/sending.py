"""From the options of a chat to its requests under way, or to answers from the cache."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, TypeAlias

from ..limits import ANSWER, CACHE, PICTURE
from ..messages import Compared
from ..parts import notes
from ..prompts.conversation import with_history
from .options import request_fields, way_options

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Mapping

    from ..call import Call, Keep
    from ..messages import Answer, Message
    from ..prompts.conversation import Turn
    from ..settings.config import Target
    from ..settings.settings import Settings
    from ..store.chats import Keeping
    from ..tools.rounds import Rounds
    from .notebooks import Notebooks

End: TypeAlias = "Callable[[Answer, BaseException | None], None]"
"""Something that is told the answer, and the error that ended it."""


class Sender:
    """Sends turns as options and settings say; ``options`` are those of ``%%chat``.

    ``configured`` gives the settings in IPython's configuration; ``notebooks`` has what was
    said before, and the cache.
    """

    def __init__(
        self,
        settings: Settings,
        configured: Callable[[], Mapping[str, Any]],
        notebooks: Notebooks,
    ) -> None:
        self._settings = settings
        self._configured = configured
        self._notebooks = notebooks
        self._recalled: list[Any] = []  # providers that know their listing

    def target(self, options: argparse.Namespace, model: str | None = None) -> Target:
        """Return who is asked; of several models, one that names its provider is asked of it."""
        from ..settings.config import split_model, target

        settings, configured = self._settings, self._configured()
        settings.use_env_file(configured)
        aliases = settings.family("alias")
        model = aliases.get(model, model) if model else None
        named = None if model and split_model(model)[0] else options.provider
        return target(
            (named, model or getattr(options, "model", None)),
            settings.choice(),
            (configured["provider"], configured["model"]),
            kept=settings.kept_choice(),
            aliases=aliases,
            timeout_s=options.timeout or settings.number("timeout", configured),
            proxy=settings.get("proxy", configured),
        )

    def send(self, turn: Turn, options: argparse.Namespace) -> tuple[Call, list[End]]:
        """Send a turn; return the call under way, and what its end is to be told to."""
        target = self.target(options)
        messages, keeping = self._messages(turn, options)
        keep = keeping.begin if keeping else None
        call, remember = self._start(target, messages, {}, options, keep)
        call.note(*notes(turn.parts))
        return call, [keeping.finish, remember] if keeping else [remember]

    def send_rounds(self, turn: Turn, options: argparse.Namespace) -> tuple[Rounds, list[End]]:
        """Return the rounds of a turn with tools, and what the end of all is to be told to."""
        from ..tools.rounds import Rounds

        target = self.target(options)
        messages, keeping = self._messages(turn, options)
        fields = {"tools": [tool.schema() for tool in options.tools]}

        def keep(_: Any) -> None:
            if keeping is not None and not keeping.has_begun:
                keeping.begin(lambda: rounds.answer)

        def ask(said: list[Message]) -> tuple[Call, End]:
            return self._start(target, said, fields, options, keep)

        rounds = Rounds(ask, messages, options.max_rounds)
        return rounds, [keeping.finish] if keeping else []

    def send_again(
        self, answer: Answer, turn: Turn, options: argparse.Namespace, misfit: str
    ) -> Call:
        """Ask once more where an answer does not have the type that was asked for."""
        from ..call import start_call
        from ..types.structured import ASKED_TWICE, once_more

        target = self.target(options)
        params = {**target.params(), **way_options(options), **request_fields(options)}
        if "response_format" in answer.request:  # in the form that the service takes
            params["response_format"] = answer.request["response_format"]
        # Not all providers tell what they have sent.
        sent = answer.request.get("messages") or self._messages(turn, options)[0]
        messages = once_more(sent, answer, options.answer_type, misfit)
        params |= self._limits()
        call = start_call(target.provider, target.model, messages, **params)
        call.note(*notes(turn.parts), ASKED_TWICE)
        return call

    def send_all(
        self, turn: Turn, options: argparse.Namespace
    ) -> tuple[dict[str, Call], list[End], Keeping | None]:
        """Send a turn to several models at the same time.

        Return the calls under way by label, what the end of each is to be told to, and what
        keeps the turn, if it is to be kept.
        """
        from ..compare import parse_models

        asked = parse_models(options.models)
        targets = [self.target(options, one.model) for one in asked]
        messages, keeping = self._messages(turn, options)
        calls: dict[str, Call] = {}
        all_started = threading.Event()

        def so_far() -> tuple[Compared, ...]:
            return tuple(Compared(label, call.answer) for label, call in calls.items())

        def keep(_: Any) -> None:
            all_started.wait()
            if keeping is not None:
                keeping.begin_compared(so_far)

        ends = []
        try:
            for one, target in zip(asked, targets, strict=True):
                calls[one.label], end = self._start(target, messages, one.fields, options, keep)
                calls[one.label].note(*notes(turn.parts))
                ends.append(end)
        finally:
            all_started.set()  # whatever happens, or a thread of the pool waits for ever
        return calls, ends, keeping

    def _messages(
        self, turn: Turn, options: argparse.Namespace
    ) -> tuple[list[Message], Keeping | None]:
        """Return what to send for a turn, and what keeps the turn, if it is to be kept."""
        if options.alone:
            return with_history(turn, "", ()), None
        chats = self._notebooks.chats
        name = options.conversation or chats.current
        messages = chats.messages(turn, name, last=options.last)
        return messages, chats.keep(turn, name)

    def _start(
        self,
        target: Target,
        messages: list[Message],
        fields: Mapping[str, Any],
        options: argparse.Namespace,
        keep: Keep | None,
    ) -> tuple[Call, End]:
        """Send messages, or take the answer from the cache; return what the end is to be told to.

        ``fields`` of the request go before those of the options.
        """
        from ..call import start_call
        from ..store.cached import Cached, request_key

        self._recall_listing(target.provider)
        params = {**target.params(), **way_options(options), **request_fields(options), **fields}
        if options.answer_type is not None:
            params["response_format"] = options.answer_type.response_format
        provider: Any = target.provider
        remember: End = _forget
        if self._may_replay(options):
            key = request_key(provider, target.model, messages, params)
            limit = self._settings.limit(CACHE, self._configured())
            cached = Cached(self._notebooks.keeper(kept=True), key, limit)
            is_live = self._settings.get("replay", self._configured()) == "live"
            provider = cached.replay(is_live=is_live) or provider
            remember = cached.remember
        if options.answer_type is not None and provider is target.provider:
            from ..types.structured import Structured

            provider = Structured(provider, options.answer_type)
        params |= self._limits()
        return start_call(provider, target.model, messages, keep=keep, **params), remember

    def _recall_listing(self, provider: Any) -> None:
        """Let a provider know, once, what another kernel has listed of it.

        Without that a model that makes pictures would be asked to write.
        """
        from ..models.listing_cache import ListingCache, default_path

        note = getattr(provider, "note_models", None)
        if note is not None and provider not in self._recalled:
            self._recalled.append(provider)
            note(ListingCache(default_path()).listed(provider.name))

    def _limits(self) -> dict[str, Any]:
        """Return how large an answer may become; providers are told only what was set."""
        settings, configured = self._settings, self._configured()
        answer = settings.limit(ANSWER, configured)
        told = {} if answer == ANSWER else {answer.setting: answer.mb}
        return {"picture_limit": settings.limit(PICTURE, configured), **told}

    def _may_replay(self, options: argparse.Namespace) -> bool:
        is_on: bool | None = options.cache
        if is_on is None:
            return self._settings.get("cache", self._configured()) == "on"
        return is_on


def _forget(answer: Answer, failure: BaseException | None) -> None:
    """Keep nothing of an answer that is not to come from the cache."""
    del answer, failure
