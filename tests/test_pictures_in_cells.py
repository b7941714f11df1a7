"""Pictures in a cell: embedded, at display size, several in a grid, harmless."""

from __future__ import annotations

import base64
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from support.byteserver import json_reply, reply

from g4f_magic.call import Call, Draft, start_call
from g4f_magic.display.images import image_outputs
from g4f_magic.messages import Answer, Image, ImageResponse, Sent
from g4f_magic.models.listing_cache import ListingCache
from g4f_magic.models.model_info import Listing, ModelInfo
from g4f_magic.providers import get_provider
from g4f_magic.providers.demo_service import draw

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.byteserver import ByteServer, Exchange
    from support.events import StartServer
    from support.faults import Fault
    from support.kernel import Kernel
    from support.lab import Lab
    from support.lab_page import LabPage

SCREENSHOTS = Path(__file__).parent.parent / "build" / "screenshots"
PNG = draw("a fox", 1024, 768)
GIF = base64.b64decode("R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7")
SVG = b"<svg xmlns='http://www.w3.org/2000/svg' width='40' height='30'><script>x()</script></svg>"
PRIVATE = "http://169.254.169.254/latest/meta-data"


@pytest.fixture(scope="module")
def chat(shared_kernel: Kernel) -> Kernel:
    """A kernel with the magics loaded."""
    shared_kernel.run("%load_ext g4f_magic")
    return shared_kernel


def paints(
    *items: dict[str, Any], picture: Callable[[Exchange], None] | None = None
) -> Callable[[Exchange], None]:
    """A service that answers with these items; ``picture`` answers what else is asked for."""

    def script(exchange: Exchange) -> None:
        if exchange.request.path.endswith("/models"):
            exchange.send(json_reply(200, {"data": [{"id": "flux", "type": "image"}]}))
        elif exchange.request.method == "POST":
            exchange.send(json_reply(200, {"data": list(items)}))
        elif picture is not None:
            picture(exchange)
        else:
            exchange.send(reply(200, PNG))

    return script


def ask(chat: Kernel, server: ByteServer, *, options: str = "") -> list[dict[str, Any]]:
    """The outputs of a cell that asks for a picture, without the document."""
    run = chat.run(f"%chat -p {server.url}/v1 --alone {options} A red fox")
    assert run.error is None
    return run.outputs[1:]


# In a kernel


def test_a_model_listed_by_another_kernel_still_paints(
    chat: Kernel, byte_server: StartServer
) -> None:
    """The cell that painted before a restart would ask the model to write."""
    server = byte_server(paints({"b64_json": base64.b64encode(PNG).decode()}))
    base = f"{server.url}/v1"
    flux = Listing(base, (ModelInfo(base, "flux", ("images",)),), asked_at=time.time())
    ListingCache(chat.home / "g4f" / "models.json").remember({base: flux}, time.time())
    (output,) = ask(chat, server, options="-m flux")
    assert base64.b64decode(output["data"]["image/png"]) == PNG
    assert [request.path for request in server.requests] == ["/v1/images/generations"]


def test_a_picture_elsewhere_is_embedded(chat: Kernel, byte_server: StartServer) -> None:
    """Addresses of services last an hour, notebooks for years."""
    server = byte_server(paints({"url": "/a.png", "revised_prompt": 'a "red" fox'}))
    (output,) = ask(chat, server)
    assert base64.b64decode(output["data"]["image/png"]) == PNG
    about = output["metadata"]
    assert about["image/png"] == {"alt": 'a "red" fox', "width": 512, "height": 384}
    assert about["g4f_magic"]["model"] == "flux"
    assert sorted(output["data"]) == ["image/png", "text/plain"]
    assert server.url not in output["data"]["text/plain"]
    assert chat.value("_.images[0].url") == f"{server.url}/a.png"
    assert chat.value("(_.images[0].width, _.images[0].height)") == (1024, 768)
    assert chat.value("_.images[0].save('fox').name") == "fox.png"


def test_a_picture_that_cannot_be_had_is_told_with_its_address(
    chat: Kernel, byte_server: StartServer
) -> None:
    """The answer was made and paid for; one line says what to do oneself."""
    server = byte_server(paints({"url": PRIVATE}, {"url": "/a.png"}))
    shown, told = ask(chat, server)
    assert "image/png" in shown["data"]
    assert "text/html" not in shown["data"]
    lines = told["data"]["text/plain"].split("\n")
    assert lines[0].startswith("Picture not shown: 169.254.169.254 is an address of a private")
    assert lines[1:] == [PRIVATE]
    assert chat.value("_.state") == "complete"
    assert chat.value("_.images[0].trouble").startswith("169.254.169.254")


def test_the_demo_still_paints(chat: Kernel) -> None:
    """The first picture needs neither key nor network."""
    run = chat.run("%chat -m demo-image --alone A red fox")
    assert "image/png" in run.outputs[-1]["data"]


def test_the_python_client_gets_what_the_service_gave(
    chat: Kernel, byte_server: StartServer
) -> None:
    """Scripts that asked for addresses read addresses."""
    server = byte_server(paints({"url": "/a.png"}))
    chat.run("from g4f_magic import Client")
    code = f"Client('{server.url}').images.generate('a fox', 'flux').data[0].url"
    assert chat.value(code) == f"{server.url}/a.png"
    assert [request.method for request in server.requests] == ["POST"]


@pytest.mark.fault(
    "Interrupts",
    "While a picture is fetched",
    sees="Stopped after … s; what had arrived is kept.",
    keeps="the address of the picture",
)
def test_an_interrupt_ends_a_fetch(chat: Kernel, byte_server: StartServer, fault: Fault) -> None:
    """■ must work whatever the cell waits for; the address is kept."""
    fetching = threading.Event()

    def hang(exchange: Exchange) -> None:
        fetching.set()
        exchange.sleep(30)

    server = byte_server(paints({"url": "/a.png"}, picture=hang))
    cell = chat.start(f"%chat -p {server.url}/v1 --alone -o kept A red fox")
    assert fetching.wait(20)
    chat.interrupt()
    run = cell.finish()
    assert run.error is not None
    assert run.error.ename == "Stopped"
    assert fault.is_seen_in(run)
    assert chat.value("(kept.state, kept.images[0].url)") == ("interrupted", f"{server.url}/a.png")
    server.wait_for(lambda: server.exchanges[-1].client_closed)


# Under way


def test_what_goes_on_is_told(byte_server: StartServer) -> None:
    """A picture takes a minute; a card that says 'waiting' looks stuck."""
    gate, seen = threading.Event(), []

    def picture(exchange: Exchange) -> None:
        exchange.wait(gate)
        exchange.send(reply(200, PNG))

    server = byte_server(paints({"url": "/1"}, {"url": "/2"}, picture=picture))
    provider = get_provider(f"{server.url}/v1")
    call = start_call(provider, None, [{"role": "user", "content": "a fox"}])
    server.wait_for(lambda: len(server.requests) == 4)
    seen.append(call.answer.activity)
    gate.set()
    assert call.finished.wait(10)
    assert [*seen, call.answer.activity] == ["fetching the pictures", ""]
    assert [image.data for image in call.answer.images] == [PNG, PNG]


def test_a_request_for_pictures_says_that_one_is_made() -> None:
    """Until it comes; and a request for text after it says nothing of the kind."""
    draft = Draft(provider="p", model="m")
    draft.add(Sent("http://h/v1/images/generations", {}))
    assert draft.answer().activity == "making a picture"
    draft.add(ImageResponse((Image(PNG, "image/png"),)))
    assert draft.answer().activity == ""
    draft.add(Sent("http://h/v1/images/generations", {}))
    draft.add(Sent("http://h/v1/chat/completions", {}))
    assert draft.answer().activity == ""
    draft.add(Sent("http://h/v1/images/generations", {}))
    draft.end("interrupted")
    assert draft.answer().activity == ""


def test_a_call_without_a_fetcher_keeps_addresses() -> None:
    """Who pumps events of his own has nobody asked."""

    async def events() -> Any:
        yield ImageResponse((Image(url="http://h/a.png"),))

    call = Call(events, Draft(provider="p", model="m"))
    assert call.finished.wait(10)
    assert call.answer.images == (Image(url="http://h/a.png"),)


# As outputs


def bundles(*images: Image, prompt: str = "a fox") -> list[dict[str, str]]:
    """What is shown of these pictures."""
    return [data for data, _ in image_outputs(Answer(images=images, request={"prompt": prompt}))]


def test_several_pictures_are_a_grid_and_each_an_output() -> None:
    """People compare variants side by side; programs find each as a picture."""
    first, second = Image(PNG, "image/png"), Image(GIF, "image/gif")
    one, two = bundles(first, second)
    assert one["text/html"].count("<img ") == 2
    assert 'width="256" height="192"' in one["text/html"]
    assert ("image/png" in one, "image/gif" in two) == (True, True)
    assert two["text/html"] == "<span></span>"


def test_a_small_picture_is_not_blown_up() -> None:
    """An icon of 1 pixel stays one."""
    ((_, about),) = image_outputs(Answer(images=(Image(GIF, "image/gif"),)))
    assert about == {"image/gif": {"width": 1, "height": 1}}


def test_types_that_nbconvert_does_not_know_are_shown_as_html() -> None:
    """A report would have the words 'Image(image/webp…' in place of the picture."""
    (bundle,) = bundles(Image(b"RIFF....WEBP", "image/webp"))
    assert bundle["text/html"].startswith('<img src="data:image/webp;base64,')
    assert "width=" not in bundle["text/html"]


def test_a_drawing_is_never_part_of_the_page() -> None:
    """Scripts in an SVG run where it is inlined, and sleep in an <img>."""
    (bundle,) = bundles(Image(SVG, "image/svg+xml"))
    assert sorted(bundle) == ["text/html", "text/plain"]
    assert bundle["text/html"].startswith('<img src="data:image/svg+xml;base64,')
    assert "script" not in "".join(bundle.values())


def test_words_of_strangers_cannot_leave_their_attribute() -> None:
    """The prompt may hold what somebody else wrote, and the service revises it."""
    prompt = '"><script>alert(1)</script><img src=x onerror="'
    for images in ([Image(SVG, "image/svg+xml")], [Image(PNG, "image/png", "", prompt)] * 2):
        html = bundles(*images, prompt=prompt)[0]["text/html"]
        assert html.count("<") == html.count(">") == len(images) + 2 * (len(images) > 1)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://h/a_b.png?x=1&y=2", "<https://h/a_b.png?x=1&y=2>"),
        ("javascript:alert(1)", "`'javascript:alert(1)'`"),
        ("http://h/\u202e`>\n# x", "`'http://h/\\u202e%60>\\n# x'`"),
        (f"http://h/{'a' * 600}", f"`'http://h/{'a' * 491}'`"),
    ],
)
def test_only_a_plain_address_becomes_a_link(url: str, shown: str) -> None:
    """An address comes from outside, and is one click away from being opened."""
    (bundle,) = bundles(Image(url=url))
    assert bundle == {"text/markdown": shown, "text/plain": shown[1:-1]}


def test_an_address_that_was_refused_is_no_link() -> None:
    """One click, and the browser asks what the kernel would not."""
    (bundle,) = bundles(Image(url="http://10.0.0.1/reboot", trouble="it is *private*"))
    why = "<small>Picture not shown: it is &#42;private&#42;</small>"
    assert bundle["text/markdown"] == f"{why}\n\n`http://10.0.0.1/reboot`"
    assert bundle["text/plain"].endswith("it is *private*\nhttp://10.0.0.1/reboot")


def test_what_is_no_picture_is_not_shown() -> None:
    """Bytes of no known type would be an output that no front end can read."""
    for image in (Image(b"<html>"), Image(b"x", "text/html")):
        assert bundles(image)[0]["text/plain"] == "Picture not shown: what came is no picture"


# In JupyterLab

IS_TRUSTED = "() => window.jupyterapp.shell.currentWidget.content.model.cells.get(1).trusted"
SIZES = "images => images.map(i => [i.naturalWidth, i.clientWidth, i.clientHeight])"
ROWS = "images => new Set(images.map(i => i.offsetTop)).size"


@pytest.mark.browser
def test_pictures_are_seen_in_the_page_and_when_it_is_opened_again(
    lab: Lab, lab_page: LabPage, byte_server: StartServer
) -> None:
    """At display size, side by side, and in a notebook that is not trusted as well."""
    many = [{"url": "/a.png"}, {"url": "/b.png"}, {"url": "/c.png"}, {"url": PRIVATE}]
    one, several = byte_server(paints({"url": "/a.png"})), byte_server(paints(*many))
    cells = [f"%chat -p {server.url}/v1 --alone A red fox" for server in (one, several)]
    drawing = byte_server(
        paints({"url": "/a.svg"}, picture=lambda exchange: exchange.send(reply(200, SVG)))
    )
    cells.append(f"%chat -p {drawing.url}/v1 --alone A red fox")
    lab.write_notebook("pictures.ipynb", ["%load_ext g4f_magic", *cells])
    lab_page.open("pictures.ipynb")
    for number in range(4):
        lab_page.run(number)
    lab_page.wait_text(2, "Picture not shown")
    check_pictures(lab_page)
    lab_page.screenshot(SCREENSHOTS / "pictures.png")
    lab_page.save()
    changed = (lab.root / "pictures.ipynb").read_text().replace("A red fox", "A fox")
    (lab.root / "untrusted.ipynb").write_text(changed)
    for server in (one, several, drawing):
        server.script = lambda exchange: exchange.close()
    lab_page.open("untrusted.ipynb")
    assert lab_page.page.evaluate(IS_TRUSTED) is False
    check_pictures(lab_page)
    lab_page.screenshot(SCREENSHOTS / "pictures_untrusted.png")


def check_pictures(page: LabPage) -> None:
    """One at 512 pixels; three in a row at 256 and a line; a drawing at its own size."""
    for number, sizes in (
        (1, [[1024, 512, 384]]),
        (2, [[1024, 256, 192]] * 3),
        (3, [[40, 40, 30]]),
    ):
        images = page.output(number).locator("img")
        images.first.wait_for()
        assert images.evaluate_all(SIZES) == sizes
        assert images.evaluate_all(ROWS) == 1
    assert "Picture not shown" in page.output(2).inner_text()
