"""What a failure on the way to a service is called, and what helps against it."""

from __future__ import annotations

import re
import ssl
import zlib
from typing import TYPE_CHECKING

import httpx

from .errors import NetworkError, NetworkTimeoutError
from .pool import has_long_head, reason, tls_error

if TYPE_CHECKING:
    from .pool import Way

_PROXY_LOGIN = re.compile("401|407|auth|password", re.IGNORECASE)
_WRONG_SCHEME = "is its address right? Most proxies are http://…, also for https services"
# By the codes of OpenSSL's X509_STORE_CTX_get_error(3).
_UNKNOWN_AUTHORITY = (
    "comes from an unknown authority",
    "if you trust it, name its PEM file in SSL_CERT_FILE or the provider's class attribute ssl",
)
_WRONG_TIME = "is this computer's clock right? The class attribute ssl = False skips the check"
_WRONG_HOST = "is the address right? The class attribute ssl = False skips the check"
_NOT_ACCEPTED = ("is not accepted", "the class attribute ssl takes an ssl.SSLContext of your own")
_CERTIFICATES = {
    **dict.fromkeys((2, 18, 19, 20, 21), _UNKNOWN_AUTHORITY),
    9: ("is not valid yet", _WRONG_TIME),
    10: ("has expired", _WRONG_TIME),
    62: ("is for another host", _WRONG_HOST),
    64: ("is for another host", _WRONG_HOST),
}
# How h11 and httpcore tell that a peer went away, rather than that it spoke nonsense.
_GONE = re.compile("disconnected|closed connection|connection closed", re.IGNORECASE)


def translated(
    error: Exception, way: Way, *, provider: str, url: str, timeout_s: float
) -> NetworkError:
    """Return our error for one of httpx's; the mapping is tested against its whole tree."""
    host = way.place or httpx.URL(url).netloc.decode("ascii")
    name = provider or host
    why = reason(error)
    kind, hint = NetworkError, "run the cell again"
    if isinstance(error, httpx.TimeoutException):
        kind = NetworkTimeoutError
    if (tls := tls_error(error)) is not None:
        message, hint = _tls_trouble(tls, host, way)
    elif isinstance(error, httpx.ProxyError) or way.is_at_proxy:
        message, hint = _proxy_trouble(error, host, way)
    elif isinstance(error, httpx.ConnectTimeout):
        message = f"{name} did not take the connection to {host} within {way.limit_s:g} s"
        hint = "is the address right, and the network up?"
    elif isinstance(error, httpx.TimeoutException):
        message = f"{name} sent nothing for {timeout_s:g} s"
        hint = "--timeout S waits longer"
    elif isinstance(error, httpx.ConnectError):
        message = f"{name} cannot be reached at {host}: {why}"
        hint = "is it running, and the address right?"
    elif isinstance(error, httpx.DecodingError | zlib.error):
        message = f"{name} sent something that cannot be decompressed"
    elif isinstance(error, httpx.RemoteProtocolError) and not _GONE.search(why):
        message, hint = _http_trouble(error, name)
    else:
        message = f"{name} broke the connection: {why}"
    if way.proxy and way.proxy not in message:
        message += f" (through the proxy {way.proxy})"
    return kind(message, hint=hint, provider=name)


def _http_trouble(error: Exception, name: str) -> tuple[str, str]:
    """Return message and hint where what came is no reply."""
    if has_long_head(error):
        message = f"{name} sent headers of more than 100 KB, which is the limit"
        return message, "is the address right?"
    hint = "is it the address of an OpenAI-compatible service? It often ends in /v1"
    return f"{name} does not speak HTTP as it should: {reason(error)}", hint


def _proxy_trouble(error: Exception, host: str, way: Way) -> tuple[str, str]:
    """Return message and hint where a proxy is not passed."""
    why = reason(error)
    if isinstance(error, httpx.TimeoutException):
        message = f"the proxy {way.proxy} did not connect to {host} within {way.limit_s:g} s"
        return message, _WRONG_SCHEME
    if not isinstance(error, httpx.ProxyError):
        message = f"the proxy {way.proxy} cannot be reached: {why}"
        return message, "is it running, and its address right?"
    message = f"the proxy {way.proxy} on the way to {host} refused: {why}"
    if _PROXY_LOGIN.search(why):
        return message, "check the proxy's name and password (the service's key was not looked at)"
    if "not speak" in why:
        return message, _WRONG_SCHEME
    return message, "is the service's address right, and does the proxy let you go there?"


def _tls_trouble(error: ssl.SSLError, host: str, way: Way) -> tuple[str, str]:
    """Return message and hint where an encrypted connection cannot be set up."""
    whom = f"the proxy {way.proxy}" if way.is_at_proxy else host
    if isinstance(error, ssl.SSLCertVerificationError):
        trouble, cure = _CERTIFICATES.get(error.verify_code, _NOT_ACCEPTED)
        return f"the certificate of {whom} {trouble} ({error.verify_message})", cure
    reason = (error.reason or str(error)).lower().replace("_", " ")
    hint = "should its address begin with http:// instead of https://?"
    return f"{whom} does not speak TLS as it should: {reason}", hint
