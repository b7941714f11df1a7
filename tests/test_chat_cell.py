"""What a person sees and keeps who chats in a cell, in a real kernel."""

from __future__ import annotations

import textwrap
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest
from support.byteserver import (
    DONE,
    END,
    ByteServer,
    Exchange,
    chunked,
    delta,
    finish,
    json_reply,
    sse_head,
    stream_script,
)
from support.kernel import Kernel

from g4f_magic import warmup
from g4f_magic.warmup import WarmUp

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from support.cell_run import CellRun

NOT_LOADED = "[m for m in ('httpx', 'ipywidgets', 'markdown_it', 'pydantic') if m in sys.modules]"


@pytest.fixture(scope="module")
def chat() -> Iterator[Kernel]:
    """A kernel with the extension loaded."""
    with Kernel() as running:
        assert running.run("%load_ext g4f_magic").error is None
        yield running


@pytest.fixture
def service(
    chat: Kernel, byte_server: Callable[..., ByteServer]
) -> Callable[..., tuple[ByteServer, Callable[..., CellRun]]]:
    """Starts a scripted service; gives it, and a function that asks it from a cell."""

    def start(script: Callable[[Exchange], None]) -> tuple[ByteServer, Callable[..., CellRun]]:
        server = byte_server(script)

        def ask(prompt: str, options: str = "--new", cell_id: str | None = None) -> CellRun:
            code = f"%%chat -p {server.url}/v1 -m m {options}\n{prompt}"
            return chat.run(code, cell_id=cell_id)

        return server, ask

    return start


class Halves:
    """A script that sends one half, waits for ``gate``, and sends the other."""

    def __init__(self, *halves: str) -> None:
        self.halves = halves
        self.gate = threading.Event()

    def __call__(self, exchange: Exchange) -> None:
        """Speak to one request."""
        first, second = self.halves
        exchange.send(sse_head() + chunked(delta(first)))
        exchange.wait(self.gate)
        exchange.send(chunked(delta(second) + finish() + DONE) + END)


def only_document(run: CellRun) -> dict[str, Any]:
    """The one output that a cell may leave."""
    assert run.error is None
    assert [output["output_type"] for output in run.outputs] == ["display_data"]
    document: dict[str, Any] = run.outputs[0]
    return document


def messages_of(server: ByteServer, request: int = -1) -> list[dict[str, Any]]:
    """What was sent as the conversation."""
    messages: list[dict[str, Any]] = server.requests[request].json["messages"]
    return messages


def test_loading_is_light(kernel: Kernel) -> None:
    """A notebook that loads the extension and never chats should not pay for it."""
    kernel.run("import sys")
    assert kernel.run("%load_ext g4f_magic").error is None
    assert kernel.value(NOT_LOADED) == []


def test_the_kernel_warms_up_while_it_is_idle(kernel: Kernel, tmp_path: Path) -> None:
    """While somebody types the first prompt, the imports it needs should happen."""
    done = tmp_path / "done"
    watch = f"""
        def watch():
            while "g4f_magic.display.card" not in sys.modules:
                time.sleep(0.02)
            open({str(done)!r}, "w").close()
        threading.Thread(target=watch, daemon=True).start()
    """
    kernel.run("import sys, threading, time\n" + textwrap.dedent(watch))
    kernel.run("%load_ext g4f_magic")
    deadline = time.monotonic() + 20
    while not done.exists():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_package_that_is_broken_ends_no_warm_up(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A file beside the notebook that hides a package would print its stack below any cell."""
    (tmp_path / "hides_a_package.py").write_text("1 / 0")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(warmup, "_STEPS", ("hides_a_package",))
    done = threading.Event()
    WarmUp(done.set).cell_ended()
    assert done.wait(10)


@pytest.fixture
def warming(kernel: Kernel, tmp_path: Path) -> Kernel:
    """Start a kernel whose warm-up stands in the middle of a package that takes long to import."""
    begun = tmp_path / "begun"
    slow = f"""
        import importlib.machinery, pathlib, sys, threading, time
        class Slow:
            is_working, meanwhile = False, []
            def find_spec(self, name, path, target=None):
                if Slow.is_working:
                    Slow.meanwhile.append(name)
                is_warming = threading.current_thread().name == "g4f_magic-warmup"
                if not (is_warming and name == "g4f_magic.providers.aichat"):
                    return None
                spec = importlib.machinery.PathFinder.find_spec(name, path)
                execute = spec.loader.exec_module
                def slowly(module):
                    Slow.is_working = True
                    pathlib.Path({str(begun)!r}).touch()
                    time.sleep(1)
                    Slow.is_working = False
                    execute(module)
                spec.loader.exec_module = slowly
                return spec
        sys.meta_path.insert(0, Slow())
    """
    kernel.run(textwrap.dedent(slow))
    kernel.run("%load_ext g4f_magic")
    deadline = time.monotonic() + 20
    while not begun.exists():
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return kernel


def test_a_cell_begins_when_no_import_is_under_way(warming: Kernel) -> None:
    """Python gives one of two threads that import at the same time half a module."""
    imported = "from g4f_magic.providers.registry import get_provider; get_provider('demo').name"
    run = warming.run(imported)
    assert run.error is None
    assert [output["data"]["text/plain"] for output in run.outputs] == ["'demo'"]
    assert warming.value("Slow.meanwhile") == []


def test_tab_waits_for_an_import_under_way(warming: Kernel) -> None:
    """The first option is typed right after the extension is loaded."""
    reply = warming.request("complete_request", {"code": "%%chat --mo", "cursor_pos": 11})
    assert reply["matches"] == ["--model"]
    assert warming.value("Slow.meanwhile") == []


def test_the_demo_answers_without_key_or_network(chat: Kernel) -> None:
    """The first two commands of a newcomer have to work, and say that it is a demo."""
    document = only_document(chat.run("%%chat --new\nHello"))
    assert "not a language model" in document["data"]["text/markdown"]
    assert "Hello" in document["data"]["text/plain"]


def test_everything_after_the_options_is_literal(service: Any) -> None:
    """Prompts hold apostrophes, shell variables, JSON and LaTeX."""
    server, ask = service(stream_script(["ok"]))
    body = 'it\'s "quoted" $HOME {x} {"a": {"b": 1}} \\frac{a}{b} -m --new %s\n\n  indented\ttab'
    only_document(ask(body))
    assert messages_of(server) == [{"role": "user", "content": body}]


def test_the_line_magic_takes_literal_text_too(service: Any, chat: Kernel) -> None:
    """IPython's own expansion of $x and {x} would break prompts silently."""
    server, _ = service(stream_script(["ok"]))
    chat.run("x = 1")
    run = chat.run(f"%chat --new -p {server.url}/v1 -m m what's $x and {{x}} in 'bash'?")
    only_document(run)
    assert messages_of(server)[-1]["content"] == "what's $x and {x} in 'bash'?"


def test_words_on_the_first_line_come_before_the_body(service: Any) -> None:
    """%%chat Translate: with the text below is how people write."""
    server, ask = service(stream_script(["ok"]))
    ask("Guten Tag", options="--new Translate to English:")
    assert messages_of(server)[-1]["content"] == "Translate to English:\nGuten Tag"


def test_variables_go_into_the_prompt(service: Any, chat: Kernel) -> None:
    """A prompt about the notebook's data needs the data."""
    server, ask = service(stream_script(["ok"]))
    chat.run("numbers = [1, 2]; word = '{{ numbers }}'")
    ask('{{ numbers }} {{ word }} {{ {"a": {"b": 1}}["a"] }}')
    assert messages_of(server)[-1]["content"] == "[1, 2] {{ numbers }} {'b': 1}"
    ask("{{ numbers }}", options="--new --raw")
    assert messages_of(server)[-1]["content"] == "{{ numbers }}"


def test_variables_of_a_function_go_into_its_prompt(service: Any, chat: Kernel) -> None:
    """A helper function that asks with its arguments is the next thing people write."""
    server, _ = service(stream_script(["ok"]))
    ask = f"%chat --alone --quiet -p {server.url}/v1 -m m {{{{ [word + end for end in '!?'] }}}}"
    chat.run(f"def helper(word):\n    answer = {ask}\n    return answer\nhelper('oh')")
    assert messages_of(server)[-1]["content"] == "['oh!', 'oh?']"


def test_a_missing_variable_sends_nothing(service: Any) -> None:
    """A prompt with a hole in it costs money and misleads."""
    server, ask = service(stream_script(["ok"]))
    error = ask("about {{ nope }}").error
    assert "nope" in error.evalue
    assert "--raw" in error.traceback[-1]
    assert server.requests == []


def test_text_is_shown_while_the_cell_runs(chat: Kernel, byte_server: Any) -> None:
    """Streaming is the point: nobody should stare at an empty cell."""
    script = Halves("The first half, ", "and the second.")
    server = byte_server(script)
    running = chat.start(f"%%chat --new -p {server.url}/v1 -m m\nhi")
    seen = running.until(lambda outputs: outputs and "The first half" in str(outputs))
    assert not seen.is_done
    script.gate.set()
    document = only_document(running.finish())
    assert "The first half, and the second." in document["data"]["text/markdown"]


def test_one_document_stays(service: Any) -> None:
    """A saved notebook is read where no widget and no kernel is."""
    text = "# Title\n\n" + "\n\n".join(f"Paragraph {n} " + "word " * 60 for n in range(30))
    _, ask = service(stream_script([text[i : i + 7] for i in range(0, len(text), 7)]))
    document = only_document(ask("go"))
    assert set(document["data"]) == {"text/markdown", "text/plain"}
    assert text.strip() in document["data"]["text/markdown"]
    assert text.strip() in document["data"]["text/plain"]


def test_metadata_holds_figures_and_no_prompt(service: Any) -> None:
    """Notebooks are shared: what was asked may be secret, how it went is not."""
    _, ask = service(stream_script(["ok"]))
    facts = only_document(ask("a secret prompt"))["metadata"]["g4f_magic"]
    assert facts["model"] == "m"
    assert facts["finish_reason"] == "stop"
    assert "secret" not in str(facts)


def test_the_footer_has_only_what_is_known(service: Any) -> None:
    """Invented token counts would be believed."""
    usage = {"prompt_tokens": 132, "completion_tokens": 410, "total_tokens": 542}
    _, ask = service(stream_script(["ok"], usage=usage))
    assert "132 in, 410 out" in ask("hi").markdown
    _, ask = service(stream_script(["ok"], usage=None))
    assert " in, " not in ask("hi").markdown


def test_the_footer_has_the_price_that_the_provider_lists(service: Any, chat: Kernel) -> None:
    """Money is what one looks for; a price that nobody has told is not invented."""
    told = {"id": "m", "pricing": {"prompt": "0.000002", "completion": "0.00001"}}
    answer = stream_script(["ok"], usage={"prompt_tokens": 100, "completion_tokens": 20})

    def script(exchange: Exchange) -> None:
        if exchange.request.method == "GET":
            exchange.send(json_reply(200, {"data": [told]}))
        else:
            answer(exchange)

    server, ask = service(script)
    assert "$" not in ask("hi").markdown
    chat.run(f"%g4f_models -p {server.url}/v1")
    assert "100 in, 20 out · $0.0004" in ask("hi", "--new -o priced").markdown.replace("&#36;", "$")
    assert chat.value("priced.cost") == pytest.approx(0.0004)
    for _ in range(2):
        again = ask("hi", "--new --cache").markdown
    assert "cached" in again
    assert "&#36;" not in again


def test_a_conversation_goes_on(service: Any) -> None:
    """The next cell continues where the last one stopped."""
    server, ask = service(stream_script(["an answer"]))
    ask("one")
    ask("two", options="")
    assert messages_of(server) == [
        {"role": "user", "content": "one"},
        {"role": "assistant", "content": "an answer"},
        {"role": "user", "content": "two"},
    ]


def test_running_a_cell_again_replaces_its_turn(service: Any) -> None:
    """Restart & Run All must not double the conversation."""
    server, ask = service(stream_script(["an answer"]))
    ask("one", cell_id="first")
    ask("two", options="", cell_id="second")
    ask("one, better", cell_id="first")
    assert [m["content"] for m in messages_of(server)] == ["one, better"]
    ask("three", options="", cell_id="third")
    prompts = [m["content"] for m in messages_of(server) if m["role"] == "user"]
    assert prompts == ["one, better", "two", "three"]


def test_every_run_appends_where_no_cell_is_named(service: Any) -> None:
    """Some front ends do not say which cell runs; nothing may get lost there."""
    server, ask = service(stream_script(["an answer"]))
    ask("one")
    ask("one", options="")
    assert [m["content"] for m in messages_of(server)] == ["one", "an answer", "one"]


def test_two_chats_in_one_cell_are_two_turns(service: Any, chat: Kernel) -> None:
    """A loop over prompts is a conversation, and running it again replaces all of it."""
    server, _ = service(stream_script(["an answer"]))
    ask = f"-p {server.url}/v1 -m m"
    code = f"%chat --new {ask} --quiet one\n%chat {ask} --quiet two"
    for _ in range(2):
        chat.run(code, cell_id="loop")
    assert [m["content"] for m in messages_of(server)] == ["one", "an answer", "two"]


def test_the_system_prompt_stays_until_removed(service: Any) -> None:
    """A role is given once and holds."""
    server, ask = service(stream_script(["ok"]))
    ask("one", options='--new -s "Be terse, it\'s late"')
    ask("two", options="")
    assert messages_of(server)[0] == {"role": "system", "content": "Be terse, it's late"}
    ask("three", options='-s ""')
    assert messages_of(server)[0]["role"] == "user"


def test_alone_sends_and_keeps_no_history(service: Any) -> None:
    """A question on the side should not disturb the conversation."""
    server, ask = service(stream_script(["ok"]))
    ask("one")
    ask("aside", options="--alone")
    assert messages_of(server) == [{"role": "user", "content": "aside"}]
    ask("two", options="")
    assert "aside" not in str(messages_of(server))


def test_sampling_options_are_passed_on(service: Any) -> None:
    """What the model can do is decided there, not here."""
    server, ask = service(stream_script(["ok"]))
    ask("one", options="--new")
    plain = server.requests[-1].json
    sampling = "-t 0.25 --top-p 0.5 --max-tokens 7 --stop END --stop '. ' --seed 3"
    more = """--reasoning-effort low --param 'user="me"' --param logit_bias={"50256":-100}"""
    ask("one", options=f"--new {sampling} {more}")
    fields = server.requests[-1].json
    assert {name: value for name, value in fields.items() if name not in plain} == {
        "temperature": 0.25,
        "top_p": 0.5,
        "max_tokens": 7,
        "stop": ["END", ". "],
        "seed": 3,
        "reasoning_effort": "low",
        "user": "me",
        "logit_bias": {"50256": -100},
    }


@pytest.mark.parametrize(
    "text",
    [
        "Why does\n    >>> x\n    ... y\nfail?",
        ">>> 1 + 1\n2",
        "    indented\n      more",
        "In [1]: x = 1\nOut[1]: 2",
        "a\n   \nb",
        "$ ls\n!ls\n%time x\n?x",
    ],
)
def test_a_session_pasted_into_a_prompt_stays_whole(service: Any, text: str) -> None:
    """IPython takes prompts of shells out of code, and a cell's body for code."""
    server, ask = service(stream_script(["ok"]))
    ask(text, options="--new")
    assert messages_of(server) == [{"role": "user", "content": text}]


def test_no_other_mark_that_ends_a_line_cuts_a_prompt(service: Any) -> None:
    """Text from a PDF is full of them, and IPython goes by all."""
    server, ask = service(stream_script(["ok"]))
    ask("and\x0cmore", options="--new What\u2028is that")
    assert messages_of(server)[0]["content"] == "What\nis that\nand\x0cmore"


def test_a_function_in_a_prompt_may_chat(service: Any, chat: Kernel) -> None:
    """It would get the prompt that it stands in, and ask for itself for ever."""
    server, _ = service(stream_script(["ok"]))
    line = f"--alone --quiet -p {server.url}/v1 -m m"
    inner = f"get_ipython().run_cell_magic('chat', {line!r}, 'inside').text"
    run = chat.run(f"%%chat {line}\n>>> outside {{{{ {inner} }}}}")
    assert run.error is None
    asked = [messages_of(server, number)[-1]["content"] for number in range(len(server.requests))]
    assert asked == ["inside", ">>> outside ok"]


@pytest.mark.parametrize("given", ["user", "user=me", "=1", "a={"])
def test_a_field_that_is_no_json_is_not_sent(service: Any, given: str) -> None:
    """The service would answer with an error about something else."""
    server, ask = service(stream_script(["ok"]))
    run = ask("one", options=f"--param {given}")
    assert f"--param {given!r} is not KEY=JSON" in str(run.error)
    assert not server.requests


def test_the_answer_is_the_result_and_is_shown_once(service: Any, chat: Kernel) -> None:
    """The answer is needed in the next cell, and a second copy under the first is noise."""
    _, ask = service(stream_script(["```python\nprint(1)\n```"]))
    only_document(ask("one", options="--new -o reply"))
    assert chat.value("_ is reply and Out[max(Out)] is reply")
    assert chat.value("reply.code") == "print(1)\n"
    assert "print(1)" in only_document(chat.run("reply"))["data"]["text/markdown"]


def test_an_answer_that_was_assigned_is_shown_when_asked_for(chat: Kernel) -> None:
    """Only the result of the cell that has just shown it is not shown again."""
    chat.run("kept = %chat --alone hi")
    assert "not a language model" in only_document(chat.run("kept"))["data"]["text/markdown"]


def test_quiet_shows_nothing(service: Any, chat: Kernel) -> None:
    """A loop over hundred prompts wants the answers, not hundred cards."""
    _, ask = service(stream_script(["ok"]))
    assert ask("one", options="--new --quiet -o reply").outputs == []
    assert chat.value("reply.text") == "ok"


def test_a_picture_is_shown_and_saved(chat: Kernel) -> None:
    """%chat -m flux A red fox shows the picture."""
    run = chat.run("%chat -m flux --alone A red fox")
    assert run.error is None
    assert "demo-image · demo" in run.markdown
    assert "image/png" in run.outputs[-1]["data"]
    assert chat.value("_.images[0].data[:4]") == b"\x89PNG"


def test_reasoning_is_folded_above_the_answer(chat: Kernel) -> None:
    """What the model thought is there to be looked up, not in the way."""
    markdown = only_document(chat.run("%%chat -m demo-reasoning --new\nhi"))["data"][
        "text/markdown"
    ]
    assert markdown.index("<details>") < markdown.index("not a language model")


def test_chat_alone_says_where_one_stands(chat: Kernel) -> None:
    """Who is asked, and how long the conversation is, is one command away."""
    chat.run("%%chat --new\nhi")
    text = chat.run("%chat").text
    assert text.startswith("demo")
    assert "1 turn ·" in text


def test_a_system_prompt_can_be_set_without_asking(service: Any, chat: Kernel) -> None:
    """%chat --new -s … prepares a conversation."""
    server, ask = service(stream_script(["ok"]))
    assert chat.run('%chat --new -s "Be kind"').error is None
    ask("one", options="")
    assert messages_of(server)[0] == {"role": "system", "content": "Be kind"}


@pytest.mark.parametrize(
    ("code", "said", "hint"),
    [
        ("%%chat\n\n", "the prompt is empty", "%%chat"),
        ("%chat -m demo", "the prompt is empty", "after the options"),
        ("%%chat --tempratur 1\nhi", "no option '--tempratur'", "--temperature"),
        ("%%chat -t warm\nhi", "invalid float value: 'warm'", "%%chat?"),
        ("%%chat -p opnai\nhi", "no provider is called 'opnai'", "'openai'"),
        ("%%chat -p openai\nhi", "OPENAI_API_KEY", "%env"),
        ("%%chat -s 'open\nhi", "not closed", "first line"),
        ("%%chat -o 1x\nhi", "'1x'", ""),
        ("%%chat -o class\nhi", "'class'", ""),
        ("%%chat -c ' '\nhi", "-c ' ' is no name", ""),
        (f"%%chat --last {2**64}\nhi", "no number of turns", ""),
        ("%%chat --timeout 0\nhi", "--timeout", ""),
        ("%%chat -p ftp://x\nhi", "'ftp://x", "http://"),
    ],
)
def test_a_slip_gets_one_clear_line(chat: Kernel, code: str, said: str, hint: str) -> None:
    """A typo should cost a second, not a stack to read."""
    error = chat.run(code).error
    assert error is not None
    assert said in error.evalue
    assert hint in error.traceback[-1]
    assert len(error.traceback) <= 2


def test_a_model_can_be_configured(kernel: Kernel) -> None:
    """A preference belongs into ipython_config.py, not into each cell."""
    kernel.run("%load_ext g4f_magic")
    kernel.run("%config ChatMagics.model = 'demo-reasoning'")
    assert "<details>" in kernel.run("%%chat\nhi").markdown
    assert "<details>" not in kernel.run("%%chat -m demo\nhi").markdown


def test_several_providers_are_tried_in_order(
    chat: Kernel, byte_server: Callable[..., ByteServer]
) -> None:
    """A service that is down should not stop the work; the card says who answered."""
    down = byte_server(lambda exchange: exchange.close())
    server = byte_server(stream_script(["made it"]))
    run = chat.run(f"%%chat --new -p {down.url}/v1,{server.url}/v1 -m m\nhi")
    markdown = only_document(run)["data"]["text/markdown"]
    assert "made it" in markdown
    assert server.url.removeprefix("http://") in markdown
    assert "attempt 2" in markdown


def test_the_async_client_works_on_the_kernels_loop(chat: Kernel) -> None:
    """Top-level await is how async code is written in notebooks."""
    code = """
        from g4f_magic import AsyncClient
        answer = await AsyncClient("demo").chat.completions.create(
            messages=[{"role": "user", "content": "hi"}])
        print(answer.choices[0].message.content)
    """
    assert "not a language model" in chat.run(textwrap.dedent(code)).text


def test_help_is_the_page_of_the_magic(chat: Kernel) -> None:
    """%%chat? is where people look first."""
    page = chat.run("%%chat?").reply
    assert page is not None
    assert "Explain a p-value" in str(page["payload"])
    assert "--max-tokens" in str(page["payload"])


def test_unloading_takes_everything_back(kernel: Kernel) -> None:
    """Reloading while developing, or leaving, must not leave parts behind."""
    kernel.run("%load_ext g4f_magic")
    kernel.run("%unload_ext g4f_magic")
    assert "not found" in kernel.run("%%chat\nhi").text
    kernel.run("%load_ext g4f_magic")
    kernel.run("%reload_ext g4f_magic")
    names = "[type(c).__name__ for c in get_ipython().configurables].count('ChatMagics')"
    assert kernel.value(names) == 1
    assert "not a language model" in kernel.run("%%chat\nhi").markdown
