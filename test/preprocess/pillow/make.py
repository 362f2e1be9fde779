"""Makes the images and references of this folder with Pillow 13.0.0; run in this folder.

Every NAME.ref.png holds what Pillow's Image.open(NAME).convert('RGB') gives. cases.json says the
SHA-256 of the bytes of resized images.
"""
import hashlib
import json
import struct
import zlib

import numpy as np
from PIL import Image, ImageCms, ImageOps

photo = Image.open('../../fixtures/resize/astronaut.jpg').convert('RGB').crop((180, 60, 225, 93))
grey = photo.convert('L')
a = np.array(photo)
rng = np.random.default_rng(0)
alpha = Image.fromarray(rng.integers(0, 256, a.shape[:2], dtype=np.uint8))
rgba = Image.merge('RGBA', (*photo.split(), alpha))
names = []


def save(name, image, **options):
    image.save(name, **options)
    names.append(name)


def raw(name, data):
    with open(name, 'wb') as file:
        file.write(data)
    names.append(name)


def png16(name, values, color):
    height, width = values.shape[:2]
    rows = values.astype('>u2')
    data = zlib.compress(b''.join(b'\0' + rows[y].tobytes() for y in range(height)))
    header = struct.pack('>IIBBBBB', width, height, 16, color, 0, 0, 0)
    chunk = lambda t, d: struct.pack('>I', len(d)) + t + d + struct.pack('>I', zlib.crc32(t + d))
    raw(name, b'\x89PNG\r\n\x1a\n' + chunk(b'IHDR', header) + chunk(b'IDAT', data) + chunk(b'IEND', b''))


save('grey.jpg', grey, quality=90)
save('grey.png', grey)
save('grey-alpha.png', Image.merge('LA', (grey, alpha)))
save('rgba.png', rgba)
save('rgba.webp', rgba, quality=80)
save('rgb.webp', photo, quality=80)
save('420.jpg', photo, quality=80, subsampling=2)
save('422.jpg', photo, quality=80, subsampling=1)
save('progressive.jpg', photo, quality=85, progressive=True)
save('cmyk.jpg', photo.convert('CMYK'), quality=90)
save('cmyk.tif', photo.convert('CMYK'), compression='tiff_lzw')
data = bytearray(open('cmyk.jpg', 'rb').read())
at = data.find(b'\xff\xee')
data[at + 1 + struct.unpack('>H', data[at + 2:at + 4])[0]] = 2
raw('ycck.jpg', data)
palette = photo.quantize(64)
save('palette.png', palette)
save('palette-transparent.png', palette, transparency=3)
save('key-transparent.png', photo, transparency=tuple(a[5, 5].tolist()))
save('one-bit.png', photo.convert('1'))
save('lzw.tif', photo, compression='tiff_lzw')
save('jpeg.tif', photo, compression='jpeg')
exif = Image.Exif()
exif[0x112] = 6
save('turned.jpg', photo, quality=90, exif=exif)
# A profile that would change every colour if it were applied.
profile = ImageCms.ImageCmsProfile(ImageCms.createProfile('sRGB')).tobytes()
for tag, other in ((b'rXYZ', b'gXYZ'),):
    i, j = profile.find(tag), profile.find(other)
    profile = bytearray(profile)
    profile[i:i + 4], profile[j:j + 4] = other, tag
save('profile.jpg', photo, quality=90, icc_profile=bytes(profile))
png16('rgb16.png', a.astype(np.uint16) * 256 + rng.integers(0, 256, a.shape), 2)
png16('rgba16.png', np.dstack([a.astype(np.uint16) * 256, rng.integers(0, 65536, a.shape[:2])]), 6)
ramp = np.arange(a.shape[0] * a.shape[1]).reshape(a.shape[:2]) // 3
png16('grey16.png', ramp, 0)
save('grey16.tif', Image.fromarray(ramp.astype(np.uint16)))
save('24.bmp', photo)
save('8.bmp', grey)
save('1.bmp', photo.convert('1'))
save('32.bmp', rgba)


def bmp(name, bits, rows, masks=(), palette=b'', top_down=False):
    rows = [row + b'\0' * (-len(row) % 4) for row in rows]
    body = b''.join(rows if top_down else rows[::-1])
    start = 54 + 4 * len(masks) + len(palette)
    height = -len(rows) if top_down else len(rows)
    raw(name, b'BM' + struct.pack('<IHHI', start + len(body), 0, 0, start) + struct.pack(
        '<IiiHHIIiiII', 40, a.shape[1], height, 1, bits, 3 if masks else 0, len(body), 0, 0,
        len(palette) // 4, 0) + struct.pack(f'<{len(masks)}I', *masks) + palette + body)


r, g, b = [a[..., i].astype(np.uint16) for i in range(3)]
bmp('555.bmp', 16, [row.astype('<u2').tobytes() for row in r >> 3 << 10 | g >> 3 << 5 | b >> 3])
bmp('565.bmp', 16, [row.astype('<u2').tobytes() for row in r >> 3 << 11 | g >> 2 << 5 | b >> 3],
    (0xf800, 0x07e0, 0x001f))
bmp('top-down.bmp', 24, [a[y, :, ::-1].tobytes() for y in range(a.shape[0])], top_down=True)
n = np.pad(np.array(grey) >> 4, ((0, 0), (0, 1)))
bmp('4.bmp', 4, [row.astype(np.uint8).tobytes() for row in n[:, 0::2] << 4 | n[:, 1::2]],
    palette=b''.join(bytes([i * 5, i * 9, i * 17, 0]) for i in range(16)))

for name in names:
    rgb = Image.open(name).convert('RGB')
    # Without the profile and the transparent colour that the original had.
    Image.frombytes('RGB', rgb.size, rgb.tobytes()).save(f'{name}.ref.png')


def pattern(width, height):
    """The same numbers as `pattern` in resize.test.ts."""
    y, x, c = np.mgrid[0:height, 0:width, 0:3]
    return Image.fromarray(((x * 7 + y * 13 + (x * y) // 5 + c * 85 + (x // 9 + y // 7) % 2 * 90) % 256)
                           .astype(np.uint8))


FILTERS = {'bicubic': Image.BICUBIC, 'bilinear': Image.BILINEAR, 'lanczos': Image.LANCZOS,
           'nearest': Image.NEAREST}
cases = []
for width, height, to in ((97, 61, (40, 25)), (97, 61, (97, 30)), (97, 61, (50, 61)), (97, 61, (331, 200)),
                          (31, 200, (45, 290)), (64, 64, (7, 7)), (2400, 1800, (384, 288))):
    for kernel, filter in FILTERS.items():
        if width > 1000 and kernel != 'bicubic':
            continue
        out = pattern(width, height).resize(to, filter)
        cases.append(dict(width=width, height=height, to=to, kernel=kernel,
                          sha256=hashlib.sha256(out.tobytes()).hexdigest()))
# Down before across, and just not so.
order = []
for width, height, to in ((97, 261, (60, 90)), (61, 97, (61 * 3, 90)), (100, 100, (61, 20)), (100, 100, (60, 20)),
                          (40, 400, (39, 399)), (60, 200, (90, 220))):
    for kernel in ('bicubic', 'lanczos'):
        out = pattern(width, height).resize(to, FILTERS[kernel])
        order.append(dict(width=width, height=height, to=to, kernel=kernel,
                               sha256=hashlib.sha256(out.tobytes()).hexdigest()))
pads = []
for width, height, to in ((97, 61, (64, 64)), (61, 97, (64, 50)), (50, 50, (64, 64)), (300, 7, (60, 33))):
    out = ImageOps.pad(pattern(width, height), to, Image.BICUBIC, color=(114, 20, 255))
    pads.append(dict(width=width, height=height, to=to, sha256=hashlib.sha256(out.tobytes()).hexdigest()))
crops = []
for width, height, crop, pct in ((97, 61, 48, 0.875), (61, 98, 48, 0.95), (40, 40, 32, 1), (30, 41, 64, 0.9)):
    # torchvision's Resize(int) and CenterCrop, written out
    size, (w, h) = int(crop // pct), (width, height)
    short, long = min(w, h), max(w, h)
    new = int(size * long / short)
    image = pattern(width, height).resize((size, new) if w <= h else (new, size), Image.BICUBIC)
    top, left = int(round((image.height - crop) / 2.0)), int(round((image.width - crop) / 2.0))
    out = image.crop((left, top, left + crop, top + crop))
    crops.append(dict(width=width, height=height, crop=crop, fraction=pct,
                      sha256=hashlib.sha256(out.tobytes()).hexdigest()))
json.dump(dict(images=names, resize=cases, order=order, pad=pads, crop=crops), open('cases.json', 'w'), indent=1)
