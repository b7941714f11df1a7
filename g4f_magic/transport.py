"""The only door to the network: requests go out, replies come in, once or again."""

from __future__ import annotations

import asyncio
import base64
import re
import sys
import time
import zlib
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import anyio
import httpx

from .errors import NetworkError, ResponseError, UsageError
from .inflate import Inflater
from .limits import ANSWER, Limit
from .messages import Waiting
from .pauses import back_off_s, retry_after_s
from .pool import (
    Gate,
    Proxies,
    TlsSetting,
    Way,
    client_for,
    has_long_head,
    pin,
    proxy_for,
    tls_error,
    warm_up,
    without_login,
    without_stack,
)
from .secret import Secret
from .trouble import translated

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Mapping

    from .service import Service

__all__ = [
    "CONNECT_TIMEOUT_S",
    "LONGEST_PAUSE_S",
    "READ_TIMEOUT_S",
    "Proxies",
    "Reply",
    "Request",
    "TlsSetting",
    "back_off_s",
    "drain",
    "exchange",
    "retry_after_s",
    "warm_up",
]

CONNECT_TIMEOUT_S = 10.0
READ_TIMEOUT_S = 60.0
LONGEST_PAUSE_S = 120.0
_DRAIN_S = 0.05
_MOST_REDIRECTS = 5
_ERROR_BODY_BYTES = 64 * 1024
_PASSING_STATUSES = frozenset({408, 409, 429})
_FINAL = (httpx.ReadTimeout, httpx.WriteTimeout, httpx.ProxyError, httpx.LocalProtocolError)
_TOKEN = re.compile(r"[\w!#$%&'*+.^`|~-]+", re.ASCII)  # what headers are named (RFC 9110 §5.6.2)
_BREAKS = (httpx.RemoteProtocolError, httpx.ReadError, httpx.WriteError)


@dataclass(frozen=True, slots=True, repr=False)  # keys may be anywhere in it
class Request:
    """What to send, and how patiently.

    ``timeout_s`` bounds the time without any byte; ``max_retries`` counts sends
    after the first; ``limit`` bounds what a reply unfolds to; ``is_hopeless`` says of an
    error's status and body that sending again cannot help; ``provider`` names the service
    in errors.

    ``gate`` is for a URL that a stranger gave: with it redirects may lead to any host
    that it lets pass, and the login in a URL is left out.
    """

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes = b""
    provider: str = ""
    proxies: Proxies = None
    verify: TlsSetting = True
    timeout_s: float = READ_TIMEOUT_S
    max_retries: int = 2
    limit: Limit = ANSWER
    service: Service | None = None
    gate: Gate | None = None
    is_hopeless: Callable[[int, bytes], bool] = field(default=lambda _status, _body: False)


class Reply:
    """The status, the headers (lower case) and the body as it arrives."""

    def __init__(self, response: httpx.Response, request: Request, way: Way) -> None:
        self.status: int = response.status_code
        self.reason: str = response.reason_phrase
        self.headers: httpx.Headers = response.headers
        self._response = response
        self._request = request
        self._way = way
        self._kept: bytes | None = None

    @property
    def is_success(self) -> bool:
        """Whether the status is one of those that promise an answer."""
        return httpx.codes.is_success(self.status)

    @property
    def retry_after_s(self) -> float | None:
        """Seconds the service asks to wait, or None."""
        return retry_after_s(self.headers, time.time())

    async def chunks(self) -> AsyncGenerator[bytes, None]:
        """Yield the decompressed body.

        Breaks raise ``NetworkError``, and more than the request's limit ``ResponseError``.
        """
        if self._kept is not None:
            yield self._kept
            return
        inflater = Inflater(self.headers.get("content-encoding", ""))
        left_bytes = self._request.limit.size_bytes
        try:
            async for packed in self._response.aiter_raw():
                for chunk in inflater.feed(packed):
                    left_bytes -= len(chunk)
                    if left_bytes < 0:
                        raise self._request.limit.exceeded(self._request.provider, self.status)
                    yield chunk
        except (httpx.RequestError, OSError, zlib.error) as error:
            raise _trouble(error, self._request, self._way) from without_stack(error)

    async def read(self, limit_bytes: int = sys.maxsize) -> bytes:
        """Return the body, or its first ``limit_bytes`` bytes; raises as ``chunks`` does."""
        body = bytearray()
        async with aclosing(self.chunks()) as chunks:
            async for chunk in chunks:
                body += chunk
                if len(body) >= limit_bytes:
                    break
        return bytes(body[:limit_bytes])

    async def keep(self) -> bytes:
        """Return the start of an error's body, and let ``chunks`` yield it again."""
        try:
            self._kept = await self.read(_ERROR_BODY_BYTES)
        except NetworkError:
            self._kept = b""
        return self._kept


async def exchange(request: Request) -> AsyncGenerator[Waiting | Reply, None]:
    """Yield a ``Waiting`` before each pause, then the one ``Reply``, open while it is held.

    Sends again only while no byte of an answer came: after connection failures
    and the statuses that pass (408, 409, 429, 5xx). Raises ``UsageError``,
    ``NetworkError`` and, for redirects that lead astray, ``ResponseError``; any
    other status is a reply.
    """
    retry = 0
    while True:
        way = Way(min(CONNECT_TIMEOUT_S, request.timeout_s))
        is_last = retry >= request.max_retries
        try:
            response = await _send(request, way)
        except (httpx.TransportError, OSError) as error:
            failure = _trouble(error, request, way)
            if is_last or _is_final(error, way):
                raise failure from without_stack(error)
            wait = Waiting(str(failure), back_off_s(retry))
        else:
            reply = Reply(response, request, way)
            try:
                again = None if is_last else await _reason_to_send_again(reply, request, retry)
                if again is None:
                    yield reply
                    return
                wait = again
            finally:
                await response.aclose()
        yield wait
        await asyncio.sleep(wait.seconds)
        retry += 1


async def drain(chunks: AsyncGenerator[bytes, None]) -> None:
    """Read what is left for a moment, so that the connection can serve again."""
    with anyio.move_on_after(_DRAIN_S):
        async for _ in chunks:
            pass


async def _send(request: Request, way: Way) -> httpx.Response:
    """Send; again at once where a pooled connection proved dead, which is nobody's failure."""
    try:
        return await _follow(request, way)
    except _BREAKS as error:
        if way.is_new or has_long_head(error):
            raise
    return await _follow(request, way)


async def _follow(request: Request, way: Way) -> httpx.Response:
    """Send and follow redirects to where they may lead, with the method and body kept."""
    timeout = httpx.Timeout(request.timeout_s, connect=way.limit_s)
    headers, url = _checked_headers(request.headers), _checked_url(request.url)
    is_pinned = request.gate is not None
    if not is_pinned:
        headers, url = _without_login(headers, url)
    for _ in range(_MOST_REDIRECTS):
        proxy = "" if request.service else proxy_for(url, request.proxies)
        client = await client_for(request.service, proxy, request.verify, is_pinned=is_pinned)
        way.proxy, way.place = proxy and without_login(proxy), url.netloc.decode("ascii")
        outgoing = client.build_request(
            request.method,
            url,
            headers=headers,
            content=request.body,
            timeout=timeout,
            extensions={"trace": way.note},
        )
        if request.gate is not None:
            await pin(outgoing, request.gate, is_proxied=bool(proxy))
        response = await way.send(client, outgoing)
        if way.proxy and url.scheme == "http" and _is_of_proxy(response):
            await response.aclose()
            refusal = f"{response.status_code} {response.reason_phrase}"
            raise httpx.ProxyError(refusal)
        if not response.has_redirect_location:
            return response
        await response.aclose()
        url = _onward(url, response, request)
    message, hint = f"{url.host} redirects in circles", "is the base URL right?"
    raise ResponseError(message, hint=hint, provider=request.provider, status=response.status_code)


def _without_login(
    headers: Mapping[str, str], url: httpx.URL
) -> tuple[Mapping[str, str], httpx.URL]:
    """Return both with the name and password of the URL as a header: httpx logs its URLs."""
    if not url.userinfo:
        return headers, url
    bare = url.copy_with(username=None, password=None)
    if any(name.lower() == "authorization" for name in headers):
        return headers, bare
    login = base64.b64encode(f"{url.username}:{url.password}".encode()).decode()
    return {**headers, "Authorization": Secret(f"Basic {login}")}, bare


def _is_of_proxy(response: httpx.Response) -> bool:
    """Tell whether a proxy speaks for itself; tinyproxy refuses with 401, as services do."""
    status, headers = response.status_code, response.headers
    is_its_own = "via" not in headers and "proxy" in headers.get("server", "").lower()
    return status == httpx.codes.PROXY_AUTHENTICATION_REQUIRED or (
        is_its_own and httpx.codes.is_error(status)
    )


def _onward(url: httpx.URL, response: httpx.Response, request: Request) -> httpx.URL:
    """Return where a redirect leads, if the key may go there: the same host and port."""
    onward = url.join(response.headers["location"])  # whose form httpx has checked
    is_same_place = (onward.host, onward.port) == (url.host, url.port)
    if onward.scheme in {url.scheme, "https"} and is_same_place:
        return onward
    if onward.scheme in {"http", "https"} and request.gate is not None:
        return onward
    place = f"{onward.scheme}://{onward.netloc.decode('ascii')}"
    message = f"{url.host} redirects to another place, {place}"
    hint = "nothing was sent there; give that base URL yourself if you trust it"
    raise ResponseError(message, hint=hint, provider=request.provider, status=response.status_code)


def _checked_headers(headers: Mapping[str, str]) -> Mapping[str, str]:
    """Return the headers; raises ``UsageError``, as h11's own error shows the value."""
    for name, value in headers.items():
        is_plain = value.isascii() and value.isprintable() and value == value.strip()
        if not (is_plain and _TOKEN.fullmatch(name)):
            message = f"the header {name!r} cannot be sent: only plain characters in one line can"
            raise UsageError(message, hint="is there a blank or a line break around the key?")
    return headers


def _checked_url(url: str) -> httpx.URL:
    try:
        parsed = httpx.URL(url)
    except httpx.InvalidURL:
        parsed = httpx.URL("")
    if parsed.scheme not in {"http", "https"} or not parsed.host:
        message = f"{re.sub('//[^/]*@', '//…@', url)!r} is not the address of a service"
        raise UsageError(message, hint="an address looks like http://localhost:8000/v1")
    return parsed


async def _reason_to_send_again(reply: Reply, request: Request, retry: int) -> Waiting | None:
    if reply.status not in _PASSING_STATUSES and reply.status < 500:  # noqa: PLR2004  # HTTP's server errors
        return None
    pause_s = reply.retry_after_s
    if pause_s is not None and pause_s > LONGEST_PAUSE_S:
        return None
    if request.is_hopeless(reply.status, await reply.keep()):
        return None
    reason = f"{request.provider} said {reply.status} {reply.reason}".rstrip()
    return Waiting(reason, back_off_s(retry) if pause_s is None else pause_s)


def _is_final(error: Exception, way: Way) -> bool:
    """Tell whether sending again cannot help, or would only double the wait."""
    is_slow_proxy = way.is_at_proxy and isinstance(error, httpx.ConnectTimeout)
    is_hopeless = is_slow_proxy or has_long_head(error) or tls_error(error) is not None
    return isinstance(error, _FINAL) or is_hopeless


def _trouble(error: Exception, request: Request, way: Way) -> NetworkError:
    return translated(
        error, way, provider=request.provider, url=request.url, timeout_s=request.timeout_s
    )
