"""The routes: what they answer for points, Gaussians and text-aware pooling, and what they refuse in one line."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
import soundfile

from stages.serve import upload
from stages.serve.app import build_app
from tests.stages.serve.conftest import RATE_HZ, SOUNDS, answers_of, save_model, sound_file, tone, write_clips

testclient = pytest.importorskip("fastapi.testclient")


def client(gallery: str = "retrieval", hosts=("testserver",)):
    app = build_app(answers_of(gallery), "models/student", 1, hosts)
    return testclient.TestClient(app, raise_server_exceptions=False)


def upload_of(data: bytes, name: str = "clip.wav") -> dict:
    return {"files": {"file": (name, data)}}


def told(response, status: int) -> str:
    assert response.status_code == status, response.text
    assert list(response.json()) == ["error"]
    assert "\n" not in response.json()["error"]
    return response.json()["error"]


@pytest.mark.parametrize("kind", ["point", "gaussian", "tap"])
def test_a_sentence_finds_clips_and_a_clip_finds_captions(workspace, kind):
    save_model(kind)
    asked = client()
    found = asked.get("/api/search", params={"q": "  The dog   sounds.", "k": 4}).json()
    assert (found["query"], found["clips"]) == ("The dog sounds.", 6)
    assert [one["rank"] for one in found["results"]] == [1, 2, 3, 4]
    values = [one["similarity"] for one in found["results"]]
    assert values == sorted(values, reverse=True)
    first = found["results"][0]
    assert first["credit"].endswith("CC0-1.0")
    assert first["captions"] == [f"The {first['clip_id']} sounds.", f"somewhere a {first['clip_id']} is heard"]
    heard = asked.post("/api/audio", params={"k": 12}, **upload_of(sound_file(tone(1)))).json()
    assert (heard["duration_s"], heard["texts"], len(heard["captions"])) == (1.0, 12, 12)
    assert {one["clip"]["clip_id"] for one in heard["captions"]} == set(SOUNDS)
    for answer, items in ((found, "results"), (heard, "captions")):
        shown = [answer, *answer[items]]
        assert all(("variance" in one) == (kind == "gaussian") for one in shown)
        if kind == "gaussian":
            assert all(0 <= one["percentile"] <= 100 and one["variance"] > 0 for one in shown)


def test_paraphrases_of_a_caption_of_the_gallery_are_found_however_it_is_typed(workspace):
    asked = client()
    found = asked.get("/api/paraphrases", params={"q": "the dog sounds", "k": 2}).json()
    assert [(one["text"], one["level"]) for one in found["paraphrases"]] == [
        ("one hears a dog", 1),
        ("there goes a dog", 2),
    ]
    for one in found["paraphrases"]:
        assert [step["clip_id"] for step in one["moved"] if step["own"]] == ["dog"]
        assert {1, 2} <= {step["before"] for step in one["moved"]}
        assert {1, 2} <= {step["after"] for step in one["moved"]}
    before = asked.get("/api/search", params={"q": "the dog sounds", "k": 6}).json()["results"]
    places = {one["row"]: one["rank"] for one in before}
    assert all(step["before"] == places[step["row"]] for one in found["paraphrases"] for step in one["moved"])
    assert asked.get("/api/paraphrases", params={"q": "a sentence of my own"}).json()["paraphrases"] == []


def test_a_clip_comes_whole_or_in_parts(workspace):
    asked = client()
    whole = asked.get("/clip/0")
    assert (whole.status_code, whole.headers["content-type"]) == (200, "audio/flac")
    samples, rate = soundfile.read(io.BytesIO(whole.content))
    assert (len(samples), rate) == (RATE_HZ, RATE_HZ)
    part = asked.get("/clip/0", headers={"Range": "bytes=10-19"})
    assert (part.status_code, part.content) == (206, whole.content[10:20])
    assert part.headers["content-range"] == f"bytes 10-19/{len(whole.content)}"
    beyond = asked.get("/clip/0", headers={"Range": "bytes=999999-"})
    assert told(beyond, 416)
    assert beyond.headers["content-range"] == f"bytes */{len(whole.content)}"


@pytest.mark.parametrize("row", ["6", "-1", "99999999999999999999999", "x", "..%2f..%2fparams.yaml", "1.5"])
def test_a_clip_that_is_none_is_refused(workspace, row):
    response = client().get(f"/clip/{row}")
    assert told(response, response.status_code)
    assert response.status_code in (404, 422)


def test_a_damaged_shard_is_one_line(workspace):
    asked = client()
    shard = Path("data/clips/toy/retrieval.tar")
    shard.write_bytes(bytes(len(shard.read_bytes())))
    assert "is not what the clip table says" in told(asked.get("/clip/0"), 422)


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("/api/search", "q: "),
        ("/api/search?q=%20%20", "write a sentence"),
        ("/api/search?q=dog&k=0", "k: "),
        ("/api/search?q=dog&k=51", "k: "),
        ("/api/search?q=dog&k=many", "k: "),
        ("/api/search?q=" + "x" * 501, "q: "),
        ("/api/paraphrases?q=dog&k=51", "k: "),
    ],
)
def test_bad_questions_are_one_line(workspace, address, said):
    assert said in told(client().get(address), 422)


def test_what_is_not_there_or_not_allowed_is_one_line(workspace):
    asked = client()
    assert told(asked.get("/nothing"), 404)
    assert told(asked.get("/api/audio"), 405)
    assert told(client(hosts=["127.0.0.1"]).get("/"), 400)


@pytest.mark.parametrize(
    ("kind", "rate_hz", "channels"), [("WAV", 44100, 2), ("FLAC", 8000, 1), ("OGG", 22050, 2), ("MP3", 16000, 1)]
)
def test_any_usual_format_is_decoded_mixed_and_resampled(workspace, kind, rate_hz, channels):
    moments = np.arange(rate_hz) / rate_hz
    samples = np.stack([0.3 * np.sin(2 * np.pi * 440 * moments)] * channels, axis=1)
    heard = client().post("/api/audio", **upload_of(sound_file(samples, kind, rate_hz), "x"))
    assert heard.status_code == 200, heard.text
    assert heard.json()["duration_s"] == pytest.approx(1.0, abs=0.15)  # MP3 adds some frames


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"this is no audio", "no audio"),
        (b"", "no audio"),
        (sound_file(tone(0))[:40], "."),
        (sound_file(tone(0), "FLAC")[:200], "."),
        (sound_file(np.zeros(800, np.float32)), "no sound"),
        (sound_file(np.zeros((800, 9), np.float32)), "9 channels"),
        (sound_file(tone(0), rate_hz=400_000), "400000 samples a second"),
        (sound_file(tone(0, 61.0)), "too long: at most 60 s"),
        (sound_file(np.full(800, np.nan, np.float32), subtype="FLOAT"), "not finite"),
    ],
)
def test_a_bad_upload_is_one_line(workspace, data, said):
    error = told(client().post("/api/audio", **upload_of(data, "../../some\nthing\\bad.wav")), 422)
    assert error.startswith("bad.wav ")
    assert said in error


def test_a_form_without_a_file_is_one_line(workspace):
    asked = client()
    assert "field `file`" in told(asked.post("/api/audio", data={"file": "text"}), 422)
    assert "field `file`" in told(asked.post("/api/audio", content=b"{}"), 422)
    broken = asked.post("/api/audio", content=b"--", headers={"content-type": "multipart/form-data"})
    assert told(broken, 400)
    files = [("file", ("a.wav", b"1")), ("file", ("b.wav", b"2"))]
    assert told(asked.post("/api/audio", files=files), 400)


def test_too_many_bytes_are_refused_before_they_are_kept(workspace, monkeypatch):
    asked = client()
    monkeypatch.setattr(upload, "MAXIMUM_BYTES", 1000)
    large = bytes(200_000)
    assert "too large" in told(asked.post("/api/audio", **upload_of(large)), 413)

    def pieces():  # nothing names their number
        yield b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.wav"\r\n\r\n'
        for _ in range(20):
            yield bytes(10_000)
        yield b"\r\n--x--\r\n"

    headers = {"content-type": "multipart/form-data; boundary=x"}
    assert "too large" in told(asked.post("/api/audio", content=pieces(), headers=headers), 413)


def test_a_gallery_without_texts_still_finds_clips(workspace):
    write_clips("data/roles/unpaired.parquet", captions=lambda name: [])
    asked = client("unpaired")
    assert len(asked.get("/api/search", params={"q": "a dog"}).json()["results"]) == 6
    assert asked.post("/api/audio", **upload_of(sound_file(tone(1)))).json()["captions"] == []
    assert "neither captions nor class names" in asked.get("/").text


def test_the_page_escapes_what_the_data_say_and_names_no_other_server(workspace):
    write_clips(captions=lambda name: [f'<script>{name}</script> & "more"'])
    asked = client()
    page = asked.get("/").text
    assert "<script>dog" not in page
    assert "&lt;script&gt;" in page
    for address in ("/", "/style.css", "/page.js"):
        response = asked.get(address)
        assert response.status_code == 200
        assert "http:" not in response.text
        assert "https:" not in response.text
        assert response.headers["content-security-policy"].startswith("default-src 'none'")


def test_examples_are_drawn_by_the_seed_of_captions_that_have_paraphrases(workspace):
    answers = answers_of()
    assert answers.examples(1) == answers.examples(1)
    assert set(answers.examples(1)) == {f"The {name} sounds." for name in SOUNDS[:3]}


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_a_page_of_another_site_gets_nothing(workspace, site):
    asked, headers = client(), {"Sec-Fetch-Site": site, "Origin": "https://elsewhere.example"}
    files = {"file": ("mine.wav", sound_file(tone(0)), "audio/wav")}
    assert told(asked.post("/api/audio", files=files, headers=headers), 403)
    assert told(asked.get("/clip/0", headers=headers), 403)
    assert asked.get("/clip/0", headers={"Sec-Fetch-Site": "same-origin"}).status_code == 200


def test_every_answer_has_the_headers_that_keep_it_here_even_one_of_a_fault(workspace, monkeypatch):
    asked = client()

    def broken(*_):
        raise RuntimeError("/a/path/that/nobody/needs/to/know")

    monkeypatch.setattr("stages.serve.answers.Answers.search", broken)
    fault = asked.get("/api/search", params={"q": "a dog"})
    for answer in (fault, asked.get("/"), asked.get("/clip/0"), asked.get("/nothing")):
        assert answer.headers["Cross-Origin-Resource-Policy"] == "same-origin"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert fault.status_code == 500
    assert "path" not in fault.text


def test_a_file_of_many_samples_over_all_channels_is_refused(workspace, monkeypatch):
    monkeypatch.setattr("stages.serve.upload.MAXIMUM_SAMPLES", 1000)
    files = {"file": ("mine.wav", sound_file(tone(0)), "audio/wav")}
    assert "more than 1,000 samples" in told(client().post("/api/audio", files=files), 422)


def test_a_longer_recording_is_cut_as_the_gallery_was():
    long = np.concatenate([tone(0), tone(1), tone(2)])
    heard = upload.decode(io.BytesIO(sound_file(long)), "mine.wav", RATE_HZ, heard_s=len(tone(0)) / RATE_HZ)
    assert len(heard) == len(tone(0))
    assert len(upload.decode(io.BytesIO(sound_file(long)), "mine.wav", RATE_HZ)) == len(long)
