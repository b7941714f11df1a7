"""A streamed answer to iterate over, in async code and in blocking code."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Generator, Iterator
from contextlib import aclosing
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING

from . import portal
from .shapes import ChatCompletionChunk

if TYPE_CHECKING:
    from typing_extensions import Self


class AsyncStream(AsyncIterator[ChatCompletionChunk]):
    """The chunks of one answer; leaving it early closes the connection."""

    def __init__(self, chunks: AsyncGenerator[ChatCompletionChunk, None]) -> None:
        self._chunks = chunks

    def __await__(self) -> Generator[None, None, Self]:
        """Return the stream itself, for code that awaits ``create``."""
        return self
        yield  # makes this a generator, as __await__ must be

    async def __aiter__(self) -> AsyncGenerator[ChatCompletionChunk, None]:
        """Yield the chunks; the end of the loop, however it comes, closes the connection."""
        async with self:
            async for chunk in self._chunks:
                yield chunk

    async def __anext__(self) -> ChatCompletionChunk:
        """Return the next chunk."""
        return await anext(self._chunks)

    async def aclose(self) -> None:
        """Close the connection."""
        await self._chunks.aclose()

    async def close(self) -> None:
        """Close the connection, as with OpenAI's SDK."""
        await self.aclose()

    async def __aenter__(self) -> Self:
        """Return the stream itself."""
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        """Close the connection."""
        await self.aclose()


class Stream(Iterator[ChatCompletionChunk]):
    """The chunks of one answer, for a plain ``for``; leaving it early closes the connection."""

    _is_over = True  # until it has begun

    def __init__(self, chunks: AsyncGenerator[ChatCompletionChunk, None]) -> None:
        portal.refuse_on_the_loop()
        queue: SimpleQueue[ChatCompletionChunk | BaseException] = SimpleQueue()
        self._queue = queue
        self._future = portal.start(_forward, chunks, queue)
        self._future.add_done_callback(lambda _: queue.put(StopIteration()))
        self._is_over = False

    def __iter__(self) -> Iterator[ChatCompletionChunk]:
        """Yield the chunks; the end of the loop, however it comes, closes the connection."""
        with self:
            yield from iter(self.__next__, None)

    def __next__(self) -> ChatCompletionChunk:
        """Return the next chunk, waiting for it."""
        if self._is_over:
            raise StopIteration
        try:
            item = self._next_item()
        except BaseException:  # an interrupt, while waiting
            self.close()
            raise
        if isinstance(item, BaseException):
            self._is_over = True
            raise item
        return item

    def _next_item(self) -> ChatCompletionChunk | BaseException:
        while True:
            try:
                return self._queue.get(timeout=portal.WAIT_STEP_S)
            except Empty:  # noqa: PERF203  # cheaper than a context for each chunk
                continue

    def close(self) -> None:
        """Close the connection."""
        self._is_over = True
        self._future.cancel()

    def __enter__(self) -> Self:
        """Return the stream itself."""
        return self

    def __exit__(self, *exc_info: object) -> None:
        """Close the connection."""
        self.close()

    def __del__(self) -> None:
        """Close the connection of a stream that was left early."""
        if not self._is_over:
            self._future.cancel()


async def _forward(
    chunks: AsyncGenerator[ChatCompletionChunk, None],
    queue: SimpleQueue[ChatCompletionChunk | BaseException],
) -> None:
    try:
        async with aclosing(chunks):
            async for chunk in chunks:
                queue.put(chunk)
    except Exception as error:  # noqa: BLE001  # handed over to the thread that iterates
        queue.put(error)
