"""Draws timelines and reads the files again, as a browser would."""

import base64
import hashlib
import io
import re
import xml.etree.ElementTree as ET

import numpy as np
import pytest
import soundfile

from jaxspeech.report.timeline import LANE, LEFT, WIDTH, timeline_html, timeline_svg

TURNS = [(0.5, 4.0, "ann"), (3.5, 9.0, "bob & <eve>"), (118.0, 125.0, "ann")]
SVG = "{http://www.w3.org/2000/svg}"


def rectangles(root):
    return [x for x in root.iter(f"{SVG}rect") if x.get("class") == "turn"]


def test_turns_are_where_they_should_be():
    root = ET.fromstring(timeline_svg("a meeting", TURNS, duration=130.0, confidences=[0.9, 0.1, 1.0]))
    found = rectangles(root)
    # Strips of 10 s would be 13: the last turn is in two.
    assert [x.get("data-start") for x in found] == ["0.500", "3.500", "118.000", "118.000"]
    scale = WIDTH / 10
    for x, (strip, start, end) in zip(found, [(0, 0.5, 4), (0, 3.5, 9), (11, 118, 120), (12, 120, 125)], strict=True):
        assert float(x.get("x")) == pytest.approx(LEFT + (start - 10 * strip) * scale, abs=0.1)
        assert float(x.get("width")) == pytest.approx((end - start) * scale, abs=0.1)
    ys = [float(x.get("y")) for x in found]
    assert ys[1] - ys[0] == LANE and ys[3] > ys[2] > ys[1]
    assert float(found[1].get("fill-opacity")) < float(found[0].get("fill-opacity"))
    tips = [x.find(f"{SVG}title").text for x in found]
    assert tips[1] == "bob & <eve> 0:03.50 to 0:09.00, confidence 0.10" and "1:58.00 to 2:05.00" in tips[2]
    assert float(root.get("height")) >= max(ys) + LANE


@pytest.mark.parametrize("turns, duration", [([], 0.0), ([], 3600.0), ([(0.0, 36000.0, "ann")], 36000.0)], ids=str)
def test_extreme_recordings_have_pictures(turns, duration):
    root = ET.fromstring(timeline_svg("x", turns, duration=duration))
    assert len(rectangles(root)) <= 24 and bool(rectangles(root)) == bool(turns)
    assert ("nobody speaks" in "".join(root.itertext())) == (not turns)


def test_the_page_plays_the_recording_and_runs_only_its_own_script():
    samples = 0.5 * np.sin(np.arange(32000) * 0.05).astype(np.float32)
    page = timeline_html("<meeting>", TURNS, duration=130.0, samples=samples, sample_rate=16000)
    kind, encoded = re.search(r'src="data:(audio/\w+);base64,([^"]+)"', page).groups()
    heard, rate = soundfile.read(io.BytesIO(base64.b64decode(encoded)))
    assert kind in ("audio/mpeg", "audio/flac") and rate == 16000 and len(heard) >= 32000
    assert np.sqrt(np.mean(heard[8000:24000] ** 2)) == pytest.approx(0.35, abs=0.03)
    script = re.search(r"<script>(.*?)</script>", page, re.DOTALL)[1]
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in page and "default-src 'none'" in page
    assert not re.search(r"https?://(?!www\.w3\.org)", page) and "<meeting>" not in page and "<eve>" not in page
    assert re.search(r"ann</th><td>2</td><td>10\.5 s</td><td>8 %", page)
    assert "<audio" not in timeline_html("x", TURNS, duration=130.0)
