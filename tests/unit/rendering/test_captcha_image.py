import base64
import io
import subprocess
import sys
import wave
from concurrent.futures import ThreadPoolExecutor

import pytest
from PIL import Image

from chalicelib.rendering import captcha_image


def content(uri: str, kind: str) -> bytes:
    head, _, encoded = uri.partition(",")
    assert head == f"data:{kind};base64"
    return base64.b64decode(encoded, validate=True)


def opened(uri: str) -> Image.Image:
    return Image.open(io.BytesIO(content(uri, "image/png")))


def samples(source: bytes) -> bytes:
    with wave.open(io.BytesIO(source)) as file:
        assert (file.getframerate(), file.getsampwidth(), file.getnchannels()) == (8000, 1, 1)
        return bytes(file.readframes(file.getnframes()))


def peak(part: bytes) -> int:
    return max(abs(sample - 128) for sample in part)


def brightness(colour: tuple[int, ...]) -> float:
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in (v / 255 for v in colour)]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_a_picture_is_a_small_png_of_280_by_90() -> None:
    uri = captcha_image.picture("k7fm3r")
    picture = opened(uri)
    assert (picture.format, picture.size) == ("PNG", (280, 90))
    assert len(content(uri, "image/png")) < 4000


def test_two_pictures_of_one_text_differ() -> None:
    assert captcha_image.picture("k7fm3r") != captcha_image.picture("k7fm3r")


def test_the_letters_stand_out_from_the_paper() -> None:
    for _ in range(30):
        counted = opened(captcha_image.picture("k7fm3r")).convert("RGB").getcolors()
        assert counted is not None
        shades = {brightness(colour): pixels for pixels, colour in counted if isinstance(colour, tuple)}
        paper = max(shades, key=lambda shade: shades[shade])
        dark = sum(pixels for shade, pixels in shades.items() if (paper + 0.05) / (shade + 0.05) >= 4.5)
        assert dark > 0.06 * 280 * 90  # about what six letters cover


def test_a_sound_of_six_digits_takes_less_than_100_kilobytes() -> None:
    for _ in range(5):
        sound = content(captcha_image.sound("402917"), "audio/wav")
        assert 5 * 8000 < len(samples(sound)) < 12 * 8000
        assert len(sound) < 100_000


@pytest.mark.parametrize("digit", "0123456789")
def test_each_digit_is_heard_well_above_the_murmur(digit: str) -> None:
    spoken = samples(content(captcha_image.sound(digit), "audio/wav"))
    beep, before, after = 900, spoken[900 : 900 + 8000 * 7 // 10], spoken[900 + 8000 * 7 // 10 :]
    assert len(spoken) > beep + len(before)
    assert peak(after) > 60
    assert peak(after) > 1.5 * peak(before)


def test_two_sounds_of_the_same_digits_differ() -> None:
    assert captcha_image.sound("402917") != captcha_image.sound("402917")


def test_only_digits_can_be_spoken() -> None:
    with pytest.raises(KeyError):
        captcha_image.sound("40a917")


def test_every_digit_has_six_voices_in_what_captcha_reads() -> None:
    for digit in "0123456789":
        files = list((captcha_image.VOICES / digit).glob("*.wav"))
        assert len(files) == 6
        for file in files:
            spoken = samples(file.read_bytes())
            assert 0.2 * 8000 < len(spoken) < 0.8 * 8000, file
            assert peak(spoken) > 90, file


def test_the_voices_are_light() -> None:
    assert sum(file.stat().st_size for file in captcha_image.VOICES.rglob("*.wav")) < 300_000


def test_a_speaker_has_read_every_voice_before_threads_share_it() -> None:
    captcha_image._speaker.cache_clear()  # noqa: SLF001  as in a process that just started
    assert set(captcha_image._speaker()._cache) == set("0123456789")  # noqa: SLF001  the parent reads it unlocked


def test_threads_share_one_painter_and_one_speaker() -> None:
    with ThreadPoolExecutor(8) as pool:
        pictures = [opened(uri) for uri in pool.map(captcha_image.picture, ["k7fm3r"] * 40)]
        sounds = [samples(content(uri, "audio/wav")) for uri in pool.map(captcha_image.sound, "01234567")]
    assert {picture.size for picture in pictures} == {(280, 90)}
    assert min(len(sound) for sound in sounds) > 6000


def test_importing_the_module_loads_no_library_of_pictures_or_sounds() -> None:
    program = (
        "import sys, chalicelib.rendering.captcha_image; sys.exit(bool({'PIL', 'captcha', 'wave'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0  # noqa: S603  this Python
