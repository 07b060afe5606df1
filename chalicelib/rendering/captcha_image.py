"""The captcha's picture and sound, as `data:` URIs: API Gateway is sent no binary.

The libraries are imported where they are used: every Lambda imports this package, one draws.
"""

import base64
import functools
import io
import secrets
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from captcha.audio import AudioCaptcha
    from captcha.image import ColorTuple, ImageCaptcha
    from PIL.Image import Image
    from PIL.ImageDraw import ImageDraw

VOICES = Path(__file__).parent.parent / "voices"  # made by infra/tools/voices.py
WIDTH, HEIGHT = 280, 90
COLOURS = 8  # of the 256 shades of one ink on one paper; fewer leave steps on the letters, more only weigh
INK = (40, 90)  # red, green and blue each lie in this range: at least 6:1 on the paper
PAPER = (238, 255)
SECOND = 8000  # samples of 8 bits
PAUSE = (SECOND * 7 // 10, SECOND * 6 // 5)  # before each digit: the time to write the last one down
ROUND = SECOND * 3 // 2  # of murmur, then again: drawing it is most of the work
MURMUR = 0.5  # of the loudness that `captcha` gives the voices in the background


def picture(text: str) -> str:
    """A 280x90 PNG of `text`, distorted, as a `data:` URI."""
    from captcha.image import random_color  # noqa: PLC0415  only who draws pays
    from PIL.ImageFilter import SMOOTH  # noqa: PLC0415  only who draws pays

    paper, ink = random_color(*PAPER), random_color(*INK)
    drawn = _painter().create_captcha_image(text, ink, paper)
    _painter().create_noise_dots(drawn, ink)
    _painter().create_noise_curve(drawn, ink)
    # Every pixel lies between paper and ink, so its red says which shade it is: no search for the best palette.
    most = COLOURS - 1
    shades = [max(0.0, min(1.0, (paper[0] - red) / (paper[0] - ink[0]))) * most for red in range(256)]  # `point` rounds
    image = drawn.getchannel("R").filter(SMOOTH).point(shades)
    mixed = [
        round(of + (to - of) * shade / most) for shade in range(COLOURS) for of, to in zip(paper, ink, strict=True)
    ]
    image.putpalette(mixed)
    png = io.BytesIO()
    image.save(png, "PNG", compress_level=3)  # 6 takes twice as long for 200 bytes less
    return _data_uri("image/png", png.getvalue())


def sound(digits: str) -> str:
    """A WAV (8 kHz, 8 bits, mono) of `digits` spoken in French over a murmur, as a `data:` URI."""
    return _data_uri("audio/wav", bytes(_speaker().generate(digits)))


@functools.cache
def _painter() -> "ImageCaptcha":
    from captcha.image import ImageCaptcha  # noqa: PLC0415  only who draws pays
    from PIL.Image import new  # noqa: PLC0415  only who draws pays

    class Painter(ImageCaptcha):
        # A letter's own brightness is its mask, so the stock table prints dark inks nearly transparent.
        lookup_table = [min(255, level * 7) for level in range(256)]  # noqa: RUF012  as the parent has it
        word_offset_dx = 0.1  # at the stock 0.25 two letters can lie on one another

        def _draw_character(self, c: str, draw: "ImageDraw", color: "ColorTuple") -> "Image":
            """As the parent's; a space is only as wide: there is nothing in it to turn and bend."""
            if c != " ":
                return super()._draw_character(c, draw, color)
            return new("RGBA", (int(draw.textbbox((1, 1), c, secrets.choice(self.truefonts))[2]), 1))

    return Painter(WIDTH, HEIGHT, font_sizes=(48, 54, 60))


@functools.cache
def _speaker() -> "AudioCaptcha":
    from captcha.audio import BEEP, AudioCaptcha, change_sound, mix_wave  # noqa: PLC0415  only who speaks pays

    class Speaker(AudioCaptcha):
        def create_wave_body(self, chars: str) -> bytearray:
            """As the parent's, with pauses of about a second instead of one to three, and a softer murmur."""
            body = bytearray()
            for char in chars:
                body += bytes([128]) * (PAUSE[0] + secrets.randbelow(PAUSE[1] - PAUSE[0]))
                body += self._twist_pick(char)
            murmur = change_sound(self.create_background_noise(ROUND, chars), MURMUR)
            return BEEP + mix_wave(body, (murmur * (len(body) // ROUND + 1))[: len(body)])

    speaker = Speaker(voicedir=str(VOICES))
    speaker.load()  # before it is shared: the parent's own lazy loading can show a thread half of the voices
    return speaker


def _data_uri(kind: str, content: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode('ascii')}"
