"""The connections that requests go out on: pooled, encrypted, past proxies.

Connections are pooled per event loop and closed with it; one TLS context serves
the whole process (making one costs about 0.1 s).
"""

from __future__ import annotations

import asyncio
import base64
import errno
import functools
import math
import os
import socket
import ssl
from collections.abc import (
    AsyncGenerator,
    AsyncIterator,
    Awaitable,
    Callable,
    Hashable,
    Mapping,
)
from contextlib import suppress
from http.cookiejar import DefaultCookiePolicy
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias
from urllib.request import getproxies

import anyio
import httpx

from .errors import UsageError
from .inflate import ACCEPTED
from .secret import veiled_address

if TYPE_CHECKING:
    from .service import Service

Proxies: TypeAlias = str | Mapping[str, str] | None
"""A proxy URL for everything, one per scheme (http, https, all), or the environment's."""

TlsSetting: TypeAlias = "ssl.SSLContext | str | os.PathLike[str] | bool"
"""How certificates are checked: a context, a file or folder of authorities, or the usual ones."""

Gate: TypeAlias = Callable[[str, int, bool], Awaitable[str]]
"""From host, port and whether a proxy is on the way to the address to connect to, empty
where the host itself says it; raises where nothing may go."""

_Trust: TypeAlias = "ssl.SSLContext | str | bool"

_KEEP_IDLE_S = 60.0
_HEADERS = {"Accept-Encoding": ACCEPTED}  # httpx would offer all codings that it finds
# The steps of httpcore's that have a proxy, if there is one, behind them.
_PAST_PROXY = frozenset(
    {"setup_socks5_connection.complete", "start_tls.started", "send_request_headers.started"}
)

_Clients: TypeAlias = dict[Hashable, httpx.AsyncClient]

# Sockets belong to the loop that opened them; beside its clients stands what closes them.
_pools: dict[asyncio.AbstractEventLoop, tuple[_Clients, AsyncGenerator[None, None]]] = {}


class Way:
    """How far a request got, as httpcore's trace tells; bounds what only a proxy can delay.

    httpx bounds each connection and handshake, but neither a SOCKS proxy's
    greeting nor the answer to CONNECT (httpcore 1.0.9).
    """

    def __init__(self, limit_s: float) -> None:
        self.limit_s = limit_s
        self.place = ""
        self.proxy = ""
        self.is_new: bool = False
        self.is_at_proxy: bool = False
        self._scope: anyio.CancelScope
        self._stream: Any = None

    async def note(self, step: str, details: Mapping[str, Any]) -> None:
        """Take notice of a step of httpcore's, ``layer.what.started`` or ``….complete``."""
        layer, _, step = step.partition(".")
        if step == "connect_tcp.started":
            self.is_new, self.is_at_proxy = True, bool(self.proxy)
        elif step == "connect_tcp.complete":
            self._stream = details["return_value"]
        elif step == "setup_socks5_connection.started" or (
            step == "send_request_headers.started" and details["request"].method == b"CONNECT"
        ):
            self._scope.deadline = anyio.current_time() + self.limit_s
        elif step in _PAST_PROXY and (layer, step) != ("connection", "start_tls.started"):
            self.is_at_proxy, self._scope.deadline = False, math.inf
        elif step == "setup_socks5_connection.failed":
            _refuse_nonsense(details["exception"])

    async def send(self, client: httpx.AsyncClient, outgoing: httpx.Request) -> httpx.Response:
        """Return the reply with its body unread."""
        try:
            with anyio.CancelScope() as self._scope:
                return await client.send(outgoing, stream=True)
        finally:
            if self.is_at_proxy and self._stream is not None:
                with anyio.CancelScope(shield=True):
                    await self._stream.aclose()  # which httpcore forgets for SOCKS
        message = "the proxy did not answer"
        raise httpx.ConnectTimeout(message, request=outgoing)


def _refuse_nonsense(error: BaseException) -> None:
    """Raise httpx's error in place of one of socksio's, which it lets through (0.28.1)."""
    if type(error).__module__.startswith("socksio"):
        message = "it does not speak SOCKS5"
        raise httpx.ProxyError(message) from error


async def client_for(
    service: Service | None, proxy: str, verify: TlsSetting, *, is_pinned: bool = False
) -> httpx.AsyncClient:
    """Return this event loop's client for a service in the process, or for a way out.

    ``proxy`` is a URL, empty for none. Requests that are ``is_pinned`` to an address
    have a client of their own, as a connection serves whatever bears its address.
    Raises ``UsageError`` for what cannot be used.
    """
    clients = await _clients_of_this_loop()
    authorities = _authorities(verify)
    key: Hashable = (service, proxy, authorities, is_pinned)
    if key not in clients:
        clients[key] = (
            _new_client(_tls_context(authorities), proxy)
            if service is None
            else httpx.AsyncClient(transport=_ServiceTransport(service), headers=_HEADERS)
        )
    return clients[key]


async def pin(outgoing: httpx.Request, gate: Gate, *, is_proxied: bool) -> None:
    """Direct a request to the address that a gate returns; what it asks for bears its name."""
    url = outgoing.url
    host = url.raw_host.decode("ascii")
    port = url.port or (443 if url.scheme == "https" else 80)
    address = await gate(host, port, is_proxied)
    outgoing.url = url.copy_with(host=address or host, username=None, password=None)
    outgoing.extensions["sni_hostname"] = host
    outgoing.headers["Connection"] = "close"  # or other names at this address would share it


async def warm_up() -> None:
    """Make the pooled client of this event loop, so that the first request need not."""
    await client_for(None, "", verify=True)


def proxy_for(url: httpx.URL, proxies: Proxies) -> str:
    """Return the URL of the proxy on the way to an address, empty for none.

    The environment's proxies are read each time, as notebooks set them half-way.
    """
    return veiled_address(_proxy_for(url, proxies))


def _proxy_for(url: httpx.URL, proxies: Proxies) -> str:
    if isinstance(proxies, str):
        return proxies
    given = getproxies() if proxies is None else proxies
    by_scheme = {scheme.removesuffix("://"): proxy for scheme, proxy in given.items()}
    proxy = by_scheme.get(url.scheme, by_scheme.get("all")) or ""
    if proxies is not None or not proxy:
        return proxy
    if any(_is_exempt(url, name.strip().lower()) for name in given.get("no", "").split(",")):
        return ""
    return proxy if "://" in proxy else f"http://{proxy}"


def without_login(proxy: str) -> str:
    """Return a proxy's URL without its name and password."""
    url = httpx.URL(proxy)
    return f"{url.scheme}://{url.netloc.decode('ascii')}"


def passwords(url: str, proxies: Proxies) -> list[str]:
    """Return the passwords in an address and in that of the proxy on the way to it.

    Each as it is and as it is sent, together with its name.
    """
    target = httpx.URL(url)
    found = []
    for login in (target, httpx.URL(proxy_for(target, proxies))):
        if login.userinfo:
            pair = f"{login.username}:{login.password}"
            found += [base64.b64encode(pair.encode()).decode(), login.password or login.username]
    return found


def reason(error: Exception) -> str:
    """Return why a request failed: what the system says, else what the error does.

    That is without the line of the reply that it may quote, as the key may be in there.
    """
    cause: BaseException | None = error if isinstance(error, httpx.NetworkError) else None
    for _ in range(5):  # httpx's error, httpcore's, one or two of anyio's, the system's
        if isinstance(cause, OSError) and cause.errno:
            if isinstance(cause, ssl.SSLError) and "EOF" in str(cause):
                return "it hung up without a word"
            has_own_numbers = isinstance(cause, socket.gaierror | ssl.SSLError)
            return str(cause.strerror) if has_own_numbers else os.strerror(cause.errno)
        several = getattr(cause, "exceptions", None)  # one for each address of the host
        cause = several[0] if several else cause and (cause.__cause__ or cause.__context__)
    said = str(error).partition(": bytearray(")[0]
    if not said and isinstance(error, httpx.ReadError | httpx.WriteError):
        return os.strerror(errno.ECONNRESET)  # anyio 4.0 does not pass the reason on
    return said or type(error).__name__


def without_stack(error: Exception) -> Exception:
    """Return the error without its frames: where a write fails they hold the key as bytes.

    Nor does it go on quoting a broken line of the reply.
    """
    if isinstance(error, httpx.RemoteProtocolError):
        error.args = (reason(error),)
    error.__cause__ = error.__context__ = None
    return error.with_traceback(None)


def tls_error(error: Exception) -> ssl.SSLError | None:
    """Return why an encrypted connection cannot be set up, or None; a break is no reason."""
    if not isinstance(error, httpx.ConnectError):
        return None
    cause: BaseException | None = error
    for _ in range(2):  # httpcore's error, then the reason; further down is not about this
        cause = cause and (cause.__cause__ or cause.__context__)
    return cause if isinstance(cause, ssl.SSLError) and "EOF" not in str(cause) else None


def has_long_head(error: Exception) -> bool:
    """Tell whether headers never ended; h11 (0.16), which says it so, has 100 KB of room."""
    return isinstance(error, httpx.RemoteProtocolError) and "buffer too long" in str(error)


def _is_exempt(url: httpx.URL, name: str) -> bool:
    """Tell whether an entry of NO_PROXY means a host: a domain, an address, a network, all."""
    bare = name.removeprefix("*").removeprefix(".")
    if not bare:
        return name == "*"
    with suppress(ValueError):
        return ip_address(url.host) in ip_network(bare, strict=False)
    hosts = (url.host, url.netloc.decode("ascii"))
    return any(f".{host}".endswith(f".{bare}") for host in hosts)


async def _clients_of_this_loop() -> _Clients:
    loop = asyncio.get_running_loop()
    if loop not in _pools:
        for gone in [known for known in list(_pools) if known.is_closed()]:
            _pools.pop(gone, None)  # another thread may do the same
        fresh: _Clients = {}
        _pools[loop] = fresh, _closed_at_the_end(fresh)
        await anext(_pools[loop][1])  # so that asyncio.run sees what it has to shut down
    return _pools[loop][0]


async def _closed_at_the_end(clients: _Clients) -> AsyncGenerator[None, None]:
    try:
        yield
    finally:
        for client in clients.values():
            await client.aclose()


def _new_client(tls: ssl.SSLContext, proxy: str) -> httpx.AsyncClient:
    limits = httpx.Limits(max_connections=None, keepalive_expiry=_KEEP_IDLE_S)
    try:
        way = _proxy(proxy, tls) if proxy else None
        client = httpx.AsyncClient(
            verify=tls, limits=limits, proxy=way, headers=_HEADERS, trust_env=False
        )
    except ImportError as error:
        message = "a SOCKS proxy needs the package socksio, which is not installed"
        raise UsageError(message, hint="pip install 'g4f-magic[socks]'") from error
    except (ValueError, httpx.InvalidURL):
        message = "the proxy's address cannot be used"
        hint = "a proxy looks like http://name:password@host:port"
        raise UsageError(message, hint=hint) from None  # httpx quotes parts of the password
    client.cookies.jar.set_policy(DefaultCookiePolicy(allowed_domains=()))
    return client


def _proxy(proxy: str, tls: ssl.SSLContext) -> httpx.Proxy:
    url = httpx.URL(proxy)
    if not url.host:
        raise ValueError
    if url.scheme in {"socks", "socks5h"}:  # other names for what httpx calls socks5
        url = url.copy_with(scheme="socks5")
    return httpx.Proxy(url, ssl_context=tls if url.scheme == "https" else None)


def _authorities(verify: TlsSetting) -> _Trust:
    """Return the setting, or what the environment names in place of the usual authorities."""
    if verify is True:
        return os.environ.get("SSL_CERT_FILE") or os.environ.get("SSL_CERT_DIR") or True
    return verify if isinstance(verify, bool | ssl.SSLContext) else os.fspath(verify)


@functools.cache
def _tls_context(verify: _Trust) -> ssl.SSLContext:
    if isinstance(verify, bool):
        return httpx.create_ssl_context(verify=verify)
    if isinstance(verify, ssl.SSLContext):
        return verify
    is_folder = Path(verify).is_dir()
    try:
        if is_folder:
            return ssl.create_default_context(capath=verify)
        return ssl.create_default_context(cafile=verify)
    except OSError as error:
        message = f"the certificates in {verify!r} cannot be read"
        hint = "SSL_CERT_FILE and the class attribute ssl name a PEM file of authorities"
        raise UsageError(message, hint=hint) from error


class _ServiceTransport(httpx.AsyncBaseTransport):
    """Hands requests to a service inside this process instead of a socket."""

    def __init__(self, service: Service) -> None:
        self._service = service

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        body = await request.aread()
        reply = await self._service(request.method, request.url.path, dict(request.headers), body)
        return httpx.Response(reply.status, headers=reply.headers, stream=_Chunks(reply.chunks))


class _Chunks(httpx.AsyncByteStream):
    """The body of a service's reply; what its generator opened is closed with it."""

    def __init__(self, chunks: AsyncIterator[bytes]) -> None:
        self._chunks = chunks

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self._chunks

    async def aclose(self) -> None:
        if isinstance(self._chunks, AsyncGenerator):
            await self._chunks.aclose()
