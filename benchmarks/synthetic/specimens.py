"""The fifteen products of the embedded data set: one function paints one nominal specimen."""

from __future__ import annotations

import numpy as np

from benchmarks.synthetic.drawing import SIZE, Dice, Frame, Scene, noise, shaded, union, wave

_Y, _X = (axis.astype(np.float64) for axis in np.mgrid[:SIZE, :SIZE])


def linen(dice: Dice) -> Scene:
    """Plain weave, threads of uneven thickness."""
    warp = wave(_X / 6 + 0.25 * noise(dice, (30, 10)))
    weft = wave(_Y / 6 + 0.25 * noise(dice, (10, 30)))
    uneven = noise(dice, (50, 3)) + noise(dice, (3, 50))
    return Scene.of(shaded((186, 172, 148), 14 * warp + 14 * weft + 8 * uneven))


def terrazzo(dice: Dice) -> Scene:
    """Stone chips of four colours, scattered in cement."""
    scene = Scene.mottled(dice, (176, 170, 164), 12, 8)
    colours = ((92, 84, 80), (206, 196, 182), (150, 92, 74), (120, 128, 132))
    for _ in range(70):
        frame = Frame.placed(dice, SIZE / 2, 1)
        chip = frame.box(dice.uniform(5, 15), dice.uniform(4, 10), 2)
        scene.lay(chip, colours[dice.integer(4)])
    return scene


def brushed_steel(dice: Dice) -> Scene:
    """Sheet metal with horizontal grain."""
    streaks = 14 * noise(dice, (1, 60)) + 9 * noise(dice, (2, 25)) + 8 * noise(dice, (40, 70))
    return Scene.of(shaded((142, 142, 142), streaks))


def mesh(dice: Dice) -> Scene:
    """Perforated sheet: staggered holes, each a part."""
    scene = Scene.mottled(dice, (168, 172, 176), 20, 8)
    x0, y0 = dice.uniform(-8, 8), dice.uniform(-7, 7)
    centres = [
        Frame(x0 + 16 * column + 8 * (row % 2), y0 + 14 * row)
        for row in range(-5, 6)
        for column in range(-5, 6)
    ]
    holes = [centre.disc(4.6) for centre in centres if max(abs(centre.x), abs(centre.y)) < 80]
    scene.lay_part(union(*holes), (44, 44, 48))
    scene.parts = [hole for hole in holes if hole[20:-20, 20:-20].max() == 1]
    return scene


def cork(dice: Dice) -> Scene:
    """Pressed granules, no two boards alike."""
    relief = 26 * noise(dice, (9, 9)) + 16 * noise(dice, (4, 4)) + 12 * noise(dice, (30, 30))
    scene = Scene.of(shaded((172, 128, 86), relief, (1, 0.9, 0.7)))
    pores = np.clip((noise(dice, (6, 6)) - 0.45) * 5, 0, 1)
    scene.lay(pores * 0.8, (84, 56, 36))
    return scene


def washer(dice: Dice) -> Scene:
    """A turned metal ring with four punched marks, at any angle."""
    scene, frame = Scene.mottled(dice, (58, 58, 58), 24, 6), Frame.placed(dice, 5, 1)
    u, v = frame.axes()
    grooves = 7 * wave(np.sqrt(u * u + v * v) / 5) + 6 * noise(dice, (8, 8))
    ring = frame.ring(20, 50)
    scene.lay_body(ring, shaded((166, 166, 166), grooves))
    for quarter in range(4):
        scene.lay_part(frame.at(0, 0, quarter / 4).at(35, 0).disc(3.5), (96, 96, 96))
    scene.lay(frame.ring(47, 50) * 0.5, (220, 220, 220))
    return scene


def gear(dice: Dice) -> Scene:
    """A brass wheel with twelve teeth, at any angle; the teeth are the parts."""
    scene, frame = Scene.mottled(dice, (72, 84, 96), 18, 7), Frame.placed(dice, 4, 1)
    brass = shaded((196, 158, 84), 8 * noise(dice, (5, 5)))
    for tooth in range(12):
        scene.lay_part(frame.at(0, 0, tooth / 12).at(43, 0).box(18, 10, 2), brass)
    scene.lay_body(frame.ring(10, 38), brass)
    scene.lay(frame.ring(29, 32) * 0.6, (128, 100, 52))
    for spoke in range(6):
        hole = frame.at(0, 0, spoke / 6 + 1 / 24).at(20, 0).disc(4)
        scene.lay(hole, scene.ground)
        scene.body = scene.body * (1 - hole)
    return scene


def connector(dice: Dice) -> Scene:
    """A black housing with eight gilt pins, always upright."""
    scene, frame = Scene.mottled(dice, (168, 176, 186), 30, 6), Frame.placed(dice, 3, 0.006)
    for pin in range(8):
        height = 46 + dice.uniform(-1.5, 1.5)
        scene.lay_part(frame.at(-45.5 + 13 * pin, 22).box(6, height, 2), (204, 170, 88))
    housing = shaded((46, 46, 52), 6 * noise(dice, (3, 3)))
    scene.lay_body(frame.at(0, -18).box(116, 46, 5), housing)
    scene.lay(frame.at(0, -18).box(100, 3), (76, 76, 84))
    scene.lay(frame.at(-46, -30).disc(4), (214, 214, 210))
    return scene


def tablet(dice: Dice) -> Scene:
    """A speckled round tablet with a score line and two imprinted strokes."""
    scene, frame = Scene.mottled(dice, (40, 56, 74), 26, 6), Frame.placed(dice, 5, 0.04)
    hue = dice.uniform(-10, 10)
    specks = np.clip((noise(dice, (3, 3)) - 0.5) * 4, 0, 1)
    coat = shaded((214 + hue, 196, 186 - hue), -30 * specks, (0.6, 1, 1))
    scene.lay_body(frame.disc(50), coat)
    scene.lay(frame.ring(44, 50) * 0.35, (140, 120, 112))
    scene.lay(frame.box(78, 2.6, 1), (146, 124, 118))
    scene.lay_part(frame.at(-12, -26).line((24, 0), 2), (150, 96, 98))
    scene.lay_part(frame.at(0, 14).line((0, 18), 2), (150, 96, 98))
    return scene


def circuit_board(dice: Dice) -> Scene:
    """A printed board with traces and nine components, always in the same place."""
    scene, frame = Scene.mottled(dice, (34, 92, 62), 10, 7), Frame.placed(dice, 2, 0.004)
    for trace in range(9):
        scene.lay(frame.at(-66, -56 + 14 * trace).line((132, 0), 1.2), (120, 140, 78))
        scene.lay(frame.at(-52 + 13 * trace, -60).line((0, 120), 0.8), (92, 128, 74))
    for number in range(9):
        spot = frame.at(-38 + 38 * (number % 3), -38 + 38 * (number // 3))
        wide, tall = ((22, 12), (12, 22), (16, 16))[number % 3]
        grey = dice.uniform(-14, 14)
        for end in (-1, 1):
            pad = spot.at(0, end * (tall / 2 + 1)) if tall > wide else spot.at(end * wide / 2, 0)
            scene.lay(pad.box(8, 6), (190, 192, 186))
        chip = (58 + grey, 54 + grey, 54 + grey) if number % 2 else (166 + grey, 128, 84)
        scene.lay_part(spot.box(wide, tall, 1), chip)
    return scene


def button(dice: Dice) -> Scene:
    """A shirt button with four holes, in one of three colours, at any angle."""
    scene, frame = Scene.mottled(dice, (206, 202, 194), 22, 5), Frame.placed(dice, 5, 1)
    colour = ((84, 104, 150), (150, 84, 84), (92, 132, 96))[dice.integer(3)]
    marbled = shaded(colour, 14 * noise(dice, (14, 14)))
    scene.lay_body(frame.disc(50), marbled)
    scene.lay(frame.ring(38, 42) * 0.4, (40, 40, 48))
    scene.lay(frame.ring(46, 49) * 0.3, (240, 240, 240))
    for quarter in range(4):
        scene.lay_part(frame.at(0, 0, quarter / 4).at(15, 0).disc(5.5), scene.ground)
    return scene


def blister_pack(dice: Dice) -> Scene:
    """Foil with nine coloured capsules, each a part, each lying as it fell."""
    foil = shaded((184, 188, 194), 12 * noise(dice, (3, 3)))
    scene = Scene.of(foil)
    frame = Frame.placed(dice, 3, 0.01)
    scene.body = frame.box(126, 126, 4)
    for number in range(9):
        cell = frame.at(-40 + 40 * (number % 3), -40 + 40 * (number // 3))
        scene.lay(cell.ring(14, 17), (150, 154, 162))
        lying = cell.at(0, 0, dice.uniform(0, 1))
        shade = dice.uniform(-8, 8)
        scene.lay_part(lying.box(24, 14, 6.5), (208 + shade, 132 + shade, 58))
    return scene


def key(dice: Dice) -> Scene:
    """A flat steel key with five teeth, lying nearly level."""
    scene, frame = Scene.mottled(dice, (92, 92, 92), 16, 9), Frame.placed(dice, 5, 0.05)
    steel = shaded((182, 182, 182), 9 * noise(dice, (2, 14)))
    for tooth in range(5):
        height = (12, 18, 14, 20, 12)[tooth]
        scene.lay_part(frame.at(4 + 12 * tooth, 4 + height / 2).box(7, height, 1), steel)
    bow = frame.at(-36, 0).ring(9, 25)
    scene.lay_body(union(bow, frame.at(22, 0).box(84, 13, 3)), steel)
    scene.lay(frame.at(22, -2).box(78, 2), (128, 128, 128))
    return scene


def parcel_label(dice: Dice) -> Scene:
    """A printed label: every bar code its own, the lines of text and the frame always there."""
    scene, frame = Scene.mottled(dice, (158, 122, 86), 6, 10), Frame.placed(dice, 4, 0.012)
    paper = shaded((228, 226, 218), 4 * noise(dice, (12, 12)))
    scene.lay_body(frame.box(120, 104, 3), paper)
    scene.lay(frame.box(112, 96) - frame.box(109, 93), (60, 60, 64))
    place = -46.0
    while place < 44:
        width = dice.uniform(1.2, 4.5)
        scene.lay(frame.at(place + width / 2, 18).box(width, 40), (38, 38, 42))
        place += width + dice.uniform(1.5, 4)
    for row in range(4):
        length = dice.uniform(50, 84)
        line = frame.at(-44 + length / 2, -38 + 9 * row)
        scene.lay_part(line.box(length, 4.4, 1), (84, 84, 92))
    return scene


def fuse(dice: Dice) -> Scene:
    """A glass fuse with two caps and a wire that sags a little differently each time."""
    scene, frame = Scene.mottled(dice, (122, 118, 110), 28, 8), Frame.placed(dice, 4, 0.02)
    glass = shaded((168, 186, 190), 5 * noise(dice, (6, 20)))
    scene.lay_body(frame.box(84, 36, 3), glass)
    scene.lay(frame.at(0, -11).box(80, 4, 2) * 0.6, (230, 236, 238))
    sag = dice.uniform(-5, 5)
    scene.lay_part(frame.at(-42, 2).line((42, sag), 1.1), (70, 64, 60))
    scene.lay_part(frame.at(42, 2).line((-42, sag), 1.1), (70, 64, 60))
    metal = shaded((196, 190, 176), 10 * noise(dice, (30, 3)))
    for end in (-1, 1):
        scene.lay_part(frame.at(end * 51, 0).box(20, 42, 3), metal)
    return scene
