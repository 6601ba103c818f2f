"""Digits from outside, as readers bring them: clean, on ruled paper, scanned, photographed.

A form is a function of an image, (28, 28) in [0, 1], and a random generator; it returns a picture.
"""

import io
from functools import partial

import numpy as np
from PIL import Image, ImageFilter

BLACK, WHITE = np.zeros(3), np.full(3, 255.0)
TURNED = {  # EXIF orientation: how the camera held the picture
    1: (),
    3: (Image.Transpose.ROTATE_180,),
    6: (Image.Transpose.ROTATE_90,),
    8: (Image.Transpose.ROTATE_270,),
}


def picture(values):
    return Image.fromarray(np.clip(np.rint(values), 0, 255).astype(np.uint8))


def jpeg(image, quality, **options):
    file = io.BytesIO()
    image.save(file, "JPEG", quality=int(quality), **options)
    return Image.open(file)


def on_a_sheet(image, rng, size=(200, 500), share=(0.5, 1.0)):
    """Return the ink, in [0, 1], of a digit that covers a share of a sheet, somewhere on it."""
    height, width = rng.integers(*size, 2)
    side = int(rng.uniform(*share) * min(height, width))
    digit = Image.fromarray(image).resize((side, side), Image.Resampling.BICUBIC)
    digit = np.clip(digit, 0, 1)
    if rng.random() < 0.5:  # the sharp edges of a pen
        digit = np.clip((digit - 0.4) / 0.2, 0, 1)
    ink = np.zeros((height, width))
    top, left = rng.integers(0, height - side + 1), rng.integers(0, width - side + 1)
    ink[top : top + side, left : left + side] = digit
    return ink


def draw(paper, ink, color):
    """Return paper, a color or an array of pixels, with ink of a color on it."""
    return paper * (1 - ink[..., None]) + color * ink[..., None]


def clean(image, rng, paper=WHITE, color=BLACK, **sheet):
    return picture(draw(paper, on_a_sheet(image, rng, **sheet), color))


def in_mode(image, rng, mode):
    return clean(image, rng).convert(mode)


def transparent(image, rng):
    ink = on_a_sheet(image, rng)
    color = np.broadcast_to(rng.integers(0, 256, 3), (*ink.shape, 3))
    return picture(np.dstack([color, 255 * ink]))


def any_colors(image, rng):
    paper, color = rng.integers(0, 256, (2, 3))
    while np.linalg.norm(paper - color) < 120:
        paper, color = rng.integers(0, 256, (2, 3))
    return clean(image, rng, paper, color)


def exif(image, rng):
    orientation = int(rng.choice(list(TURNED)))
    tags = Image.Exif()
    tags[0x0112] = orientation
    turned = clean(image, rng)
    for turn in TURNED[orientation]:
        turned = turned.transpose(turn)
    return jpeg(turned, 90, exif=tags)


def pixels(image, rng, side):
    small = Image.fromarray(image).resize((side, side), Image.Resampling.BOX)
    return picture(255 - 255 * np.asarray(small))


def lines(shape, rng, paper, line, spacing, width, square):
    """Return ruled or squared paper."""
    sheet = np.broadcast_to(paper, (*shape, 3)).copy()
    for start in range(width):
        sheet[start::spacing] = line
        if square:
            sheet[:, start::spacing] = line
    return sheet


def ruled(image, rng, *, paper=WHITE, line=(150, 230), color=BLACK, spacing=(14, 70), width=(1, 6)):
    ink = on_a_sheet(image, rng, size=(220, 500))
    line = np.full(3, rng.uniform(*line)) if len(line) == 2 else np.array(line)
    square = rng.random() < 0.4
    sheet = lines(ink.shape, rng, paper, line, rng.integers(*spacing), rng.integers(*width), square)
    return picture(draw(sheet, ink, color))


def noisy(values, rng, sigma):
    common = rng.normal(0, sigma, values.shape[:2])[..., None]
    return values + common + rng.normal(0, sigma / 2, values.shape)


def scan(
    image, rng, *, color=30, edge=False, specks=0, rules=False, sigma=(2, 8), quality=(40, 95)
):
    ink = on_a_sheet(image, rng, size=(250, 700), share=(0.3, 0.9))
    height, width = ink.shape
    paper = rng.uniform(225, 250) - np.array([0, rng.uniform(0, 6), rng.uniform(0, 18)])
    if rules:
        paper = lines(ink.shape, rng, paper, paper - 50, rng.integers(20, 60), 2, False)
    values = draw(paper, ink, np.full(3, color))
    for _ in range(specks):
        y, x = rng.integers(0, height - 3), rng.integers(0, width - 3)
        values[y : y + 2, x : x + 2] = 40
    if edge:
        values[:, : rng.integers(2, 2 + width // 25)] = 30
    return jpeg(picture(noisy(values, rng, rng.uniform(*sigma))), rng.integers(40, 95))


def photo(image, rng, *, shadow=False, color=40, paper=235, rules=False, sigma=(3, 10), **sheet):
    ink = on_a_sheet(image, rng, **{"size": (400, 1000), "share": (0.2, 0.8)} | sheet)
    y, x = np.mgrid[0 : 1 : ink.shape[0] * 1j, 0 : 1 : ink.shape[1] * 1j]
    if shadow:
        angle, softness = rng.uniform(0, 2 * np.pi), rng.uniform(0.02, 0.3)
        across = np.cos(angle) * (x - 0.5) + np.sin(angle) * (y - 0.5)
        light = 1 - rng.uniform(0.25, 0.55) / (1 + np.exp(-across / softness))
    else:  # a lamp
        distance = (y - rng.uniform(-0.3, 1.3)) ** 2 + (x - rng.uniform(-0.3, 1.3)) ** 2
        light = 1 - rng.uniform(0.3, 0.65) * distance / distance.max()
    sheet = np.full(3, paper)
    if rules:
        sheet = lines(ink.shape, rng, sheet, 0.8 * sheet, rng.integers(20, 70), 2, False)
    cast = [(1, 0.94, 0.8), (0.88, 0.95, 1), (1, 1, 1)][rng.integers(3)]
    values = draw(sheet, ink, np.full(3, color)) * cast * light[..., None]
    blurred = picture(values).filter(ImageFilter.GaussianBlur(rng.uniform(0, 3)))
    return jpeg(picture(noisy(np.asarray(blurred, float), rng, rng.uniform(*sigma))), 70)


MODES = {f"mode {mode}": partial(in_mode, mode=mode) for mode in ("1", "L", "LA", "P", "CMYK")}
CLEAN = MODES | {
    "black on white": clean,
    "white on black": partial(clean, paper=BLACK, color=WHITE),
    "gray ink": partial(clean, color=np.full(3, 150)),
    "dark mode": partial(clean, paper=np.full(3, 30), color=np.full(3, 170)),
    "any colors": any_colors,
    "transparent": transparent,
    "EXIF": exif,
    "JPEG 20": lambda image, rng: jpeg(clean(image, rng), 20),
    "12 pixels": partial(pixels, side=12),
    "4,000 pixels": partial(clean, size=(3000, 4000), share=(0.1, 0.9)),
    "small on a large sheet": partial(clean, size=(1000, 1400), share=(0.08, 0.3)),
}
RULED = {
    "gray 190": partial(ruled, line=(190, 190, 190)),
    "any gray": ruled,
    "blue lines and ink": partial(ruled, line=(130, 170, 235), color=np.array([20, 40, 150])),
    "narrow": partial(ruled, spacing=(6, 12), width=(1, 2)),
    "light on dark": partial(ruled, paper=np.full(3, 25), line=(60, 110), color=WHITE),
}
SCANS = {
    "scan": scan,
    "noisy scan": partial(scan, sigma=(8, 20)),
    "dark edge and specks": partial(scan, edge=True, specks=12),
    "ruled scan": partial(scan, rules=True),
    "pencil": partial(scan, color=120),
}
PHOTOS = {
    "lamp": photo,
    "shadow": partial(photo, shadow=True),
    "ruled photo": partial(photo, rules=True),
    "noisy photo": partial(photo, sigma=(10, 22)),
    "blackboard": partial(photo, color=225, paper=40),
    "small in a photo": partial(photo, size=(700, 1200), share=(0.05, 0.07), sigma=(2, 6)),
}
