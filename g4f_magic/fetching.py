"""Pictures that came as an address, fetched so that a notebook can hold them."""

from __future__ import annotations

import asyncio
import socket
from contextlib import aclosing
from dataclasses import replace
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from .errors import G4FError, NetworkError, ResponseError
from .image_bytes import media_type
from .limits import PICTURE, Limit
from .transport import READ_TIMEOUT_S, Proxies, Reply, Request, TlsSetting, exchange

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .messages import Image

LONGEST_S = 120.0

_AT_ONCE = 4
_HEADERS = {"Accept": "image/*", "Accept-Encoding": "identity"}
_WHOSE = "the server of the picture"
_PUBLIC = ip_network("2000::/3")  # the global unicast addresses (RFC 4291 §2.4)
_NAT64 = ip_network("64:ff9b::/96")  # RFC 6052; an IPv4 address is the last 32 bits


async def fetched(  # noqa: PLR0913  # how the answer itself came
    images: Sequence[Image],
    *,
    home: str,
    proxies: Proxies = None,
    verify: TlsSetting = True,
    timeout_s: float | None = None,
    longest_s: float = LONGEST_S,
    limit: Limit = PICTURE,
) -> tuple[Image, ...]:
    """Return the pictures with their bytes, or with the ``trouble`` there was to get them.

    ``home`` is the URL that the answer came from: only its host may have an address
    that is not public, and only for it ``verify`` says what to trust. ``timeout_s``
    is without any byte, ``longest_s`` for one picture in all, and ``limit`` bounds its
    size. Neither key nor cookie goes along. The address that was checked is the one
    connected to; where a proxy connects, only what the URL itself says can be checked.
    """
    gate = _Gate(home)
    turns = asyncio.Semaphore(_AT_ONCE)

    async def one(image: Image) -> Image:
        if image.data:
            return image
        request = Request(
            "GET",
            image.url,
            _HEADERS,
            provider=_WHOSE,
            proxies=proxies,
            verify=verify if _place(image.url) == gate.home else True,
            timeout_s=timeout_s or READ_TIMEOUT_S,
            max_retries=1,
            limit=limit.above,
            gate=gate,
        )
        try:
            async with turns:
                data = await asyncio.wait_for(_picture(request, limit), longest_s)
        except G4FError as error:
            return replace(image, trouble=str(error))
        except asyncio.TimeoutError:
            return replace(image, trouble=f"{_WHOSE} took longer than {longest_s:g} s")
        return replace(image, data=data, media_type=media_type(data))

    return tuple(await asyncio.gather(*map(one, images)))


def is_public(address: str) -> bool:
    """Tell whether an IP address is of the open internet, whatever it is wrapped in."""
    ip = ip_address(address.partition("%")[0])
    if isinstance(ip, IPv6Address):
        inner = _inner(ip)
        if inner is None:
            return ip in _PUBLIC and ip.is_global
        ip = inner
    return ip.is_global and not (ip.is_multicast or ip.is_reserved)


def _inner(ip: IPv6Address) -> IPv4Address | None:
    """Return the IPv4 address that packets to an IPv6 address end up at, if there is one."""
    if ip in _NAT64:
        return IPv4Address(int(ip) & 0xFFFFFFFF)
    return ip.ipv4_mapped or ip.sixtofour


class _Gate:
    """Lets a request pass to public addresses, and to where the answer came from."""

    def __init__(self, home: str) -> None:
        self.home = _place(home)

    async def __call__(self, host: str, port: int, is_proxied: bool, /) -> str:  # noqa: FBT001  # as transport calls it
        """Return the address to connect to, or nothing where that is not ours to say."""
        if (host, port) == self.home:
            return ""
        if f".{host.rstrip('.')}".endswith(".localhost"):  # RFC 6761 §6.3
            addresses = ["127.0.0.1"]
        else:
            addresses = _literal(host) if is_proxied else await _resolved(host, port)
        if not all(map(is_public, addresses)):
            message = f"{host} is an address of a private network, where nothing is fetched from"
            raise ResponseError(message, provider=_WHOSE)
        return "" if is_proxied else addresses[0]


def _place(url: str) -> tuple[str, int]:
    """Return host and port; nobody's for what is no address."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return "", 0
    return parts.hostname or "", port or (443 if parts.scheme == "https" else 80)


async def _resolved(host: str, port: int) -> list[str]:
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:  # the latter for names that cannot be
        message = f"there is no host called {host!r}"
        raise NetworkError(message, provider=_WHOSE) from error
    return [str(address[0]) for *_, address in found]


def _literal(host: str) -> list[str]:
    """Return the address that a host is in itself, in any of the ways to write IPv4; or none."""
    try:
        return [str(ip_address(host))]
    except ValueError:
        pass
    try:
        return [socket.inet_ntoa(socket.inet_aton(host))]
    except OSError:
        return []


async def _picture(request: Request, limit: Limit) -> bytes:
    """Return the bytes of a picture; raises for what is none, or too large."""
    data = b""
    async with aclosing(exchange(request)) as steps:
        async for step in steps:
            if isinstance(step, Reply):
                data = await _bytes(step, limit)
    if not media_type(data):
        message = "the picture is none: PNG, JPEG, GIF, WebP and SVG are known"
        raise ResponseError(message, provider=_WHOSE)
    return data


async def _bytes(reply: Reply, limit: Limit) -> bytes:
    if reply.status != 200:  # noqa: PLR2004  # OK
        message = f"{_WHOSE} said {reply.status} {reply.reason}".rstrip()
        raise ResponseError(message, provider=_WHOSE, status=reply.status)
    if reply.headers.get("content-encoding", "identity") != "identity":
        message = "the picture came compressed, which nobody asked for"  # it may unfold to anything
        raise ResponseError(message, provider=_WHOSE)
    announced = reply.headers.get("content-length", "")
    size_bytes = int(announced) if announced.isdecimal() else 0
    data = b"" if size_bytes > limit.size_bytes else await reply.read(limit.size_bytes + 1)
    if max(size_bytes, len(data)) > limit.size_bytes:
        message = f"the picture has more than {limit.mb} MB; {limit.hint(size_bytes)}"
        raise ResponseError(message, provider=_WHOSE)
    return data
