"""Mazes: paths against plain search, answers judged by hand, text, symmetries, files, drawings."""

import ast
from collections import deque
from pathlib import Path

import numpy as np
import pytest
import torch

import tinyrec
from tinyrec import show
from tinyrec.puzzles.maze import files, rules
from tinyrec.puzzles.maze.paths import is_way, shortest_path, to_bits, to_mask
from tinyrec.show import maze as drawing

STEPS = (-1, 0), (0, -1), (0, 1), (1, 0)  # up, left, right, down
QUESTION = """\
S.##
.#..
...#
##G."""
ANSWER = """\
S.##
o#..
ooo#
##G."""


def plain_answer(grid):
    """One state at a time, with sets: rows of characters -> the same with a path, or None."""
    size = len(grid)
    place = {grid[r][c]: (r, c) for r in range(size) for c in range(size)}
    distance, queue = {place["G"]: 0}, deque([place["G"]])
    while queue:
        r, c = queue.popleft()
        for dr, dc in STEPS:
            there = (r + dr, c + dc)
            inside = 0 <= there[0] < size and 0 <= there[1] < size
            if inside and grid[there[0]][there[1]] != "#" and there not in distance:
                distance[there] = distance[r, c] + 1
                queue.append(there)
    here, answer = place["S"], [list(row) for row in grid]
    if here not in distance:
        return None
    while True:
        nearer = [(here[0] + dr, here[1] + dc) for dr, dc in STEPS]
        here = next(t for t in nearer if distance.get(t) == distance[here] - 1)
        if here == place["G"]:
            return ["".join(row) for row in answer]
        answer[here[0]][here[1]] = "o"


def random_mazes(size, count, seed=0):
    """With walls on a share of the cells, and ends anywhere: some have no way."""
    rng = np.random.default_rng(seed)
    mazes = np.where(rng.random((count, size * size)) < 0.3, rules.WALL, rules.FREE)
    for maze in mazes:
        maze[rng.choice(size * size, 2, replace=False)] = rules.START, rules.GOAL
    return torch.from_numpy(mazes)


@pytest.mark.parametrize("size", [3, 8, 15])
def test_shortest_paths_equal_plain_search_and_ties_go_up_left_right_down(size):
    found = 0
    for x in random_mazes(size, 60):
        expected = plain_answer(rules.picture(x).split("\n"))
        [board] = rules.boards(x[None])
        if expected is None:
            assert shortest_path(board) == 0
            with pytest.raises(ValueError, match="maze 0: the walls leave no way from S to G"):
                rules.solve(x[None])
            continue
        found += 1
        [answer] = rules.solve(x[None])
        assert rules.picture(answer).split("\n") == expected
        assert [bool(good) for good in rules.judge(x[None], answer[None]).values()] == [True, True]
    assert 10 < found < 60


def test_cells_are_bits_and_back_and_no_step_leads_round_the_edge():
    masks = np.random.default_rng(0).random((20, 49)) < 0.5
    assert all((to_mask(b, 49) == m).all() for b, m in zip(to_bits(masks), masks, strict=True))
    x = rules.parse("..S\nG..\n...\n".replace("...", "###"))  # ends of two rows that follow
    assert (rules.solve(x[None]) == rules.PATH).sum() == 2
    blocked = rules.parse("#.S\n##.\nG..".replace("##.", "###"))
    with pytest.raises(ValueError, match="no way"):
        rules.solve(blocked[None])


JUDGED = {  # the answer, and whether it is valid, and optimal
    "shortest": (ANSWER, True, True),
    "nothing drawn": (QUESTION, False, False),
    "a gap": ("S.##\no#..\no.o#\n##G.", False, False),
    "a cell too many": ("S.##\no#.o\nooo#\n##G.", False, False),
    "a branch": ("So##\no#..\nooo#\n##G.", False, False),
    "through a wall": ("S.##\n.o..\n.oo#\n##G.", False, False),
    "a wall is gone": ("S.#.\no#..\nooo#\n##G.", False, False),
    "the start has moved": ("oS##\no#..\nooo#\n##G.", False, False),
}


@pytest.mark.parametrize("case", JUDGED)
def test_answers_are_judged_as_by_hand(case):
    text, valid, optimal = JUDGED[case]
    judged = rules.judge(rules.parse(QUESTION)[None], rules.parse(text)[None])
    assert {name: good.tolist() for name, good in judged.items()} == {
        "valid": [valid], "optimal": [optimal],
    }  # fmt: skip


def test_a_detour_is_valid_and_not_optimal_and_one_that_touches_itself_is_neither():
    x = rules.parse("S...\n....\n....\nG...")
    for text, valid in (
        ("Sooo\n...o\n...o\nGooo", True),
        ("Soo.\n..o.\n.oo.\nGo..", True),
        ("Soo.\nooo.\no...\nG...", False),
    ):
        judged = rules.judge(x[None], rules.parse(text)[None])
        assert (judged["valid"].item(), judged["optimal"].item()) == (valid, False)
    padded = rules.parse("Sooo\n...o\n...o\nGooo")
    padded[5] = 0
    assert not rules.judge(x[None], padded[None])["valid"].item()


def test_a_marked_cycle_apart_from_the_way_is_left_over():
    x = rules.parse("S...G\n.....\n.....\n.....\n.....")
    y = rules.parse("SoooG\n.....\n.ooo.\n.o.o.\n.ooo.")
    [board] = rules.boards(x[None])
    [marked] = to_bits((y.numpy() >= rules.START)[None])
    assert not is_way(marked, board)


# --- text and questions ---------------------------------------------------------------------------


def test_a_maze_is_read_as_it_is_printed_and_as_people_type_it():
    x = rules.parse(QUESTION)
    assert x.tolist()[:6] == [3, 2, 1, 1, 2, 1] and x.dtype == torch.long
    spaces = QUESTION.replace(".", " ")
    for text in (
        rules.line(x), rules.picture(x), rules.to_string(x), spaces, f"\n{spaces}\n",
        "\n".join(row.rstrip() for row in spaces.split("\n")), QUESTION.replace("\n", "\r\n"),
    ):  # fmt: skip
        assert torch.equal(rules.parse(text), x)
    assert rules.line(torch.tensor([0, 1, 2, 3, 4, 5])) == ".#.SGo"


@pytest.mark.parametrize(
    "text, fault",
    [
        ("", "expected the cells of a square, such as 81 or 900, found 0"),
        ("SG..", "expected the cells of a square, such as 81 or 900, found 4"),
        ("S........x", "character 10: 'x' is none of # S G o, a space or ."),
        ("S..\n.1.\n..G", "line 2, column 2: '1' is none of # S G o, a space or ."),
        ("S..\n..G", "expected a square, found 2 rows of 3 cells"),
    ],
)
def test_parse_says_what_is_wrong(text, fault):
    with pytest.raises(ValueError) as error:
        rules.parse(text)
    assert str(error.value) == fault


@pytest.mark.parametrize(
    "text, fault",
    [
        (QUESTION.replace("S", "."), r"expected one start \(S\), found 0"),
        (QUESTION.replace("#", "G", 1), r"expected one goal \(G\), found 2"),
        (ANSWER, "row 2, column 1: a path is drawn already"),
        ("S#.\n##.\n..G", "the walls leave no way from S to G"),
    ],
)
def test_a_question_that_cannot_be_answered_is_refused(text, fault):
    with pytest.raises(ValueError, match=fault):
        rules.check(rules.parse(text))


def test_check_tells_of_several_shortest_paths():
    assert rules.check(rules.parse(QUESTION)) is None
    assert "more than one shortest path" in rules.check(rules.parse("S..\n...\n#.G"))


# --- symmetries -----------------------------------------------------------------------------------


def test_every_view_is_one_of_eight_and_is_turned_back_right():
    x = random_mazes(5, 1).repeat(200, 1)
    image, back = rules.view(x, torch.Generator().manual_seed(0))
    assert len(image.unique(dim=0)) == 8 == len(rules.images(x[:1]).unique(dim=0))
    assert torch.equal(back(image), x) and torch.equal(rules.images(x)[:200], x)
    # Neighbours stay neighbours, so an answer to the image is one to the question.
    x = torch.stack([rules.parse(QUESTION)] * 40)
    image, back = rules.view(x, torch.Generator().manual_seed(1))
    assert torch.equal(back(rules.solve(image)), rules.solve(x))
    again, _ = rules.view(x, torch.Generator().manual_seed(1))
    assert torch.equal(again, image)


def test_layouts_are_equal_just_for_images_of_the_same_walls():
    x = random_mazes(6, 30)
    keys = rules.layouts(x)
    assert len(set(keys)) == 30 and rules.layouts(rules.images(x)) == keys * 8
    elsewhere = torch.where(x == rules.START, rules.FREE, x)  # other ends, the same walls
    assert rules.layouts(elsewhere) == keys


# --- files ----------------------------------------------------------------------------------------


def test_a_file_is_read_as_it_was_written(tmp_path):
    x = torch.stack(
        [rules.parse(QUESTION), rules.parse("S...\n#...\n...#\n..#G".replace("#G", ".G"))]
    )
    y = rules.solve(x)
    for name in ("mazes.csv", "mazes.csv.gz"):
        files.write_csv(tmp_path / name, x, y, source="here")
        assert all(map(torch.equal, files.read_csv(tmp_path / name), (x, y)))
    header, row, _ = (tmp_path / "mazes.csv").read_text().split("\n", 2)
    assert header == "source,question,answer,rating"
    assert row == f"here,{rules.to_string(x[0])},{rules.to_string(y[0])},5"


GOOD = f"{rules.to_string(rules.parse(QUESTION))},{rules.to_string(rules.parse(ANSWER))}"


@pytest.mark.parametrize(
    "text, fault",
    [
        ("", ": has no column answer and none question"),
        ("question,rating\n", ": has no column answer"),
        ("question,answer\n", ": no maze in it"),
        (f"question,answer\n{GOOD}\n{GOOD[:-1]}x\n",
         ", line 3: answer: character 16: 'x' is none of # S G o, a space or ."),
        (f"question,answer\n{GOOD}\nS.......G,SooooG\n",
         ", line 3: question: expected 16 cells as before, found 9"),
        (f"question,answer\n{GOOD.replace('G', 'S')}\n",
         ", line 2: question: expected one start (S), found 2"),
        (f"question,answer\n{GOOD.split(',')[0]},{GOOD.split(',')[0]}\n",
         ", line 2: answer: is no way from S to G through the question's free cells"),
    ],
)  # fmt: skip
def test_a_broken_file_is_named_with_its_line(tmp_path, text, fault):
    path = tmp_path / "mazes.csv"
    path.write_text(text)
    with pytest.raises(ValueError) as error:
        files.read_csv(path)
    assert str(error.value) == f"{path}{fault}"


# --- drawings -------------------------------------------------------------------------------------


def test_walls_and_paths_are_drawn_where_they_are():
    question, answer = (drawing.values(rules.parse(text)) for text in (QUESTION, ANSWER))
    figure = show.grid_row([answer], givens=question, family="maze")
    [ax] = figure.axes[1:]
    walls = {patch.get_xy() for patch in ax.patches if patch.get_gid() == "wall"}
    assert walls == {(2, 0), (3, 0), (1, 1), (3, 2), (0, 3), (1, 3)}
    dots = {patch.center for patch in ax.patches if patch.get_gid() == "path"}
    assert dots == {(0.5, 1.5), (0.5, 2.5), (1.5, 2.5), (2.5, 2.5)}
    assert [text.get_text() for text in ax.texts] == ["S", "G"]


def test_the_player_fills_walls_and_says_path_cells():
    question, answer = (drawing.values(rules.parse(text)) for text in (QUESTION, ANSWER))
    player = show.StepPlayer(question, answer[None], answer, family="maze")
    page = player._repr_html_()
    assert (
        page.count('<td class="given solid">█</td>') == 6
        and page.count('<td class="given">S</td>') == 1
    )
    assert "S . █ █    S . █ █" in repr(player) and ". █ . .    o █ . ." in repr(player)


# --- the room -------------------------------------------------------------------------------------


def test_mazes_are_named_by_the_lists_of_families_and_drawings_alone():
    package = Path(tinyrec.__file__).parent
    own = {package / "puzzles" / "families.py", package / "show" / "families.py"}
    own |= {package / "show" / "maze.py", *(package / "puzzles" / "maze").glob("*.py")}
    for file in set(package.rglob("*.py")) - own:
        names = {
            name
            for node in ast.walk(ast.parse(file.read_text()))
            if isinstance(node, ast.Import | ast.ImportFrom)
            for name in [getattr(node, "module", "") or "", *(alias.name for alias in node.names)]
        }
        assert not any("maze" in name.split(".") for name in names), file
