"""The picture and the sound of a captcha, as `data:` URIs because the service sends no binary files.

The libraries are imported in the functions that use them: every Lambda function imports this module, one draws.
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
COLOURS = 8  # shades between the ink and the paper: fewer show steps on the letters, more only add bytes
INK = (40, 90)  # the range of red, green and blue: a contrast of at least 6:1 with the paper
PAPER = (238, 255)
SECOND = 8000  # samples of 8 bits
PAUSE = (SECOND * 7 // 10, SECOND * 6 // 5)  # before each digit, time to write down the previous one
MURMUR_LOOP = SECOND * 3 // 2  # the murmur repeats, because making it is most of the work
MURMUR_VOLUME = 0.5  # relative to the background voices of `captcha`


def picture(text: str) -> str:
    """Draw a text, distorted, as a 280x90 PNG in a `data:` URI."""
    from captcha.image import random_color  # noqa: PLC0415  # see the top
    from PIL.ImageFilter import SMOOTH  # noqa: PLC0415  # see the top

    paper, ink = random_color(*PAPER), random_color(*INK)
    drawing = _painter().create_captcha_image(text, ink, paper)
    _painter().create_noise_dots(drawing, ink)
    _painter().create_noise_curve(drawing, ink)
    # Every pixel is between paper and ink, so its red value tells its shade. Pillow's search for a palette is slower.
    darkest = COLOURS - 1
    shades = [max(0.0, min(1.0, (paper[0] - red) / (paper[0] - ink[0]))) * darkest for red in range(256)]
    image = drawing.getchannel("R").filter(SMOOTH).point(shades)
    palette = [
        round(light + (dark - light) * shade / darkest)
        for shade in range(COLOURS)
        for light, dark in zip(paper, ink, strict=True)
    ]
    image.putpalette(palette)
    png = io.BytesIO()
    image.save(png, "PNG", compress_level=3)  # 6 takes twice as long for 200 bytes less
    return _data_uri("image/png", png.getvalue())


def sound(digits: str) -> str:
    """Speak digits in French over a murmur, as a WAV (8 kHz, 8 bits, mono) in a `data:` URI."""
    return _data_uri("audio/wav", bytes(_speaker().generate(digits)))


@functools.cache
def _painter() -> "ImageCaptcha":
    from captcha.image import ImageCaptcha  # noqa: PLC0415  # see the top
    from PIL.Image import new  # noqa: PLC0415  # see the top

    class Painter(ImageCaptcha):
        # The mask of a letter is its brightness, so the default table would print dark inks nearly transparent.
        lookup_table = [min(255, level * 7) for level in range(256)]  # noqa: RUF012  as the parent has it
        word_offset_dx = 0.1  # with the default 0.25 two letters can overlap completely

        def _draw_character(self, c: str, draw: "ImageDraw", color: "ColorTuple") -> "Image":
            """Draw a letter as the parent does. A space is an empty image: there is nothing to rotate or warp."""
            if c != " ":
                return super()._draw_character(c, draw, color)
            return new("RGBA", (int(draw.textbbox((1, 1), c, secrets.choice(self.truefonts))[2]), 1))

    return Painter(WIDTH, HEIGHT, font_sizes=(48, 54, 60))


@functools.cache
def _speaker() -> "AudioCaptcha":
    from captcha.audio import BEEP, AudioCaptcha, change_sound, mix_wave  # noqa: PLC0415  # see the top

    class Speaker(AudioCaptcha):
        def create_wave_body(self, chars: str) -> bytearray:
            """Return the digits with pauses of about a second (the parent's last one to three) and a softer murmur."""
            body = bytearray()
            for char in chars:
                body += bytes([128]) * (PAUSE[0] + secrets.randbelow(PAUSE[1] - PAUSE[0]))
                body += self._twist_pick(char)
            murmur = change_sound(self.create_background_noise(MURMUR_LOOP, chars), MURMUR_VOLUME)
            return BEEP + mix_wave(body, (murmur * (len(body) // MURMUR_LOOP + 1))[: len(body)])

    speaker = Speaker(voicedir=str(VOICES))
    speaker.load()  # now, because another thread could see half of the voices while the parent loads them lazily
    return speaker


def _data_uri(kind: str, content: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode('ascii')}"
