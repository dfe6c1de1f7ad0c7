"""The page in a real browser: words, a recording, paraphrases, addresses; nothing is asked of another machine."""

from __future__ import annotations

import re
import socket
import threading
from collections.abc import Iterator

import pytest

from stages.serve.__main__ import application, listening
from tests.browser import DESKTOP, PHONE, needs_chromium, watched_page
from tests.stages.serve.conftest import SOUNDS, save_model, sound_file, tone, write_clips

uvicorn = pytest.importorskip("uvicorn")
pytestmark = needs_chromium


def served(heard: socket.socket, gallery: str = "retrieval") -> tuple[object, threading.Thread, str]:
    app = application("models/student", gallery, "127.0.0.1")
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning", lifespan="off"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [heard]}, daemon=True)
    thread.start()
    return server, thread, f"http://127.0.0.1:{heard.getsockname()[1]}"


@pytest.fixture
def serve(workspace) -> Iterator:
    """Serve a gallery of the workspace; return the address."""
    running = []

    def start(gallery: str = "retrieval") -> str:
        server, thread, address = served(listening("127.0.0.1", 0), gallery)
        running.append((server, thread))
        return address

    yield start
    for server, thread in running:
        server.should_exit = True
        thread.join(timeout=10)
        assert not thread.is_alive()


def clean(watched) -> None:
    assert watched.errors == []
    assert watched.requests
    assert watched.asked_elsewhere() == []


def ask(page, words: str) -> None:
    page.get_by_label("A sentence that describes a sound").fill(words)
    page.keyboard.press("Enter")
    page.locator("#found").wait_for()


def choose(page, data: bytes, name: str = "mine.wav") -> None:
    page.get_by_label("Drop a recording here, or choose one").set_input_files(
        {"name": name, "mimeType": "audio/wav", "buffer": data}
    )


@pytest.mark.parametrize(("size", "scheme"), [(PHONE, "dark"), (DESKTOP, "light")])
def test_words_find_clips_that_play_and_a_recording_finds_captions(serve, size, scheme):
    address = serve()
    with watched_page(size, scheme) as watched:
        page = watched.page
        page.goto(address)
        ask(page, "The dog sounds.")
        assert page.locator("#results > li").count() == len(SOUNDS)
        assert page.locator("#found-title").inner_text() == "6 nearest of 6 clips"
        assert "CC0-1.0" in page.locator("#results > li").first.inner_text()
        assert "variance" not in page.inner_text("main")
        audio = page.locator("#results audio").first
        audio.evaluate("player => player.play()")
        watched.wait_for("document.querySelector('#results audio').currentTime > 0.1")
        assert audio.evaluate("player => player.duration") == pytest.approx(1.0, abs=0.05)
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
        choose(page, sound_file(tone(1)))
        page.get_by_role("heading", name="10 nearest of 12 captions").wait_for()
        assert "mine.wav, 1.0 s" in page.inner_text("#about")
        assert page.locator("#results > li .text").count() == 10
        watched.wait_for("document.getElementById('heard').duration > 0.9")
        page.locator("summary").first.click()
        watched.wait_for("document.querySelector('#results audio').readyState >= 1")
        clean(watched)


def test_paraphrases_show_what_they_move_and_the_address_holds_it(serve):
    address = serve()
    with watched_page() as watched:
        page = watched.page
        page.goto(address)
        page.locator("a.example").first.click()
        page.locator("#found").wait_for()
        assert page.locator("#moves").is_hidden()
        page.get_by_label(re.compile("Show how paraphrases")).check()
        page.locator("#moves table").nth(1).wait_for()
        assert page.locator("#moves table").count() == 2
        for table in page.locator("#moves table").all():
            assert "its own clip" in table.inner_text()
            assert table.locator("tbody tr").count() >= 5
            for row in table.locator("tbody tr").all():
                before, after, _ = [cell.inner_text() for cell in row.locator("td").all()]
                assert {before, after} <= set("123456")
        page.get_by_role("link", name="What paraphrases move, below").click()
        assert page.evaluate("document.activeElement.id") == "moves-title"
        shared, words = page.url, page.get_by_label("A sentence").input_value()
        assert "q=" in shared
        ask(page, "words of my own")
        page.get_by_text("No paraphrase of this sentence is stored").wait_for()
        assert page.locator("#moves table").count() == 0
        page.go_back()
        page.locator("#moves table").first.wait_for()
        assert page.get_by_label("A sentence").input_value() == words
        page.goto(shared)
        page.locator("#moves table").nth(1).wait_for()
        assert page.get_by_label("A sentence").input_value() == words
        clean(watched)


def test_a_bad_file_is_told_and_the_page_goes_on(serve):
    address = serve()
    with watched_page() as watched:
        page = watched.page
        page.goto(address)
        choose(page, b"this is no audio", "notes.txt")
        page.get_by_role("alert").wait_for()
        assert page.get_by_role("alert").inner_text().startswith("notes.txt cannot be used: it is no audio")
        choose(page, sound_file(tone(2)))
        page.get_by_role("heading", name="10 nearest of 12 captions").wait_for()
        assert page.locator("#error").is_hidden()
        assert [error for error in watched.errors if "422" not in error] == []  # Chromium tells of the refusal


def test_a_dropped_file_is_heard(serve):
    address = serve()
    with watched_page() as watched:
        page = watched.page
        page.goto(address)
        page.evaluate(
            """bytes => {
                const carried = new DataTransfer();
                carried.items.add(new File([new Uint8Array(bytes)], "dropped.wav"));
                const options = {dataTransfer: carried, bubbles: true, cancelable: true};
                document.getElementById("drop").dispatchEvent(new DragEvent("drop", options));
            }""",
            list(sound_file(tone(3))),
        )
        page.get_by_role("heading", name="10 nearest of 12 captions").wait_for()
        assert "dropped.wav" in page.inner_text("#about")
        clean(watched)


def test_gaussians_show_how_sure_they_are(serve):
    save_model("gaussian")
    address = serve()
    with watched_page() as watched:
        page = watched.page
        page.goto(f"{address}/?q=a+dog")
        page.locator("#found").wait_for()
        assert re.search(
            r"The sentence: total variance .* \(percentile \d+ of the gallery's captions", page.inner_text("#about")
        )
        assert page.locator("#results .width").count() == len(SOUNDS)
        choose(page, sound_file(tone(1)))
        page.get_by_role("heading", name="10 nearest of 12 captions").wait_for()
        assert re.search(
            r"mine.wav, 1.0 s; total variance .* \(percentile \d+ of the gallery's clips", page.inner_text("#about")
        )
        clean(watched)


def test_text_aware_pooling_and_a_gallery_without_texts(serve):
    save_model("tap")
    write_clips("data/roles/unpaired.parquet", captions=lambda name: [])
    addresses = serve(), serve("unpaired")
    with watched_page() as watched:
        page = watched.page
        for address in addresses:
            page.goto(f"{address}/?q=a+dog")
            page.locator("#results > li").nth(5).wait_for()
        assert page.locator("#file").count() == 0
        assert page.get_by_label(re.compile("Show how paraphrases")).is_disabled()
        clean(watched)


def test_the_keyboard_reaches_everything(serve):
    address = serve()
    with watched_page() as watched:
        page = watched.page
        page.goto(address)
        reached = []
        for _ in range(7):
            page.keyboard.press("Tab")
            reached.append(page.evaluate("document.activeElement.id || document.activeElement.className"))
        assert reached == ["query", "", "toggle", "example", "example", "example", "file"]
        unnamed = page.evaluate(
            "[...document.querySelectorAll('input, audio:not([hidden])')]"
            ".filter(item => !(item.labels && item.labels.length) && !item.ariaLabel).length"
        )
        assert unnamed == 0
        clean(watched)
