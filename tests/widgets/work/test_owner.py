"""An owner of parts: each made once, ended in the reverse order."""

from napari_centermask.widgets.work.owner import Owner


def test_parts_are_made_once_and_ended_in_reverse_order():
    ended = []

    class First:
        def end(self):
            ended.append("first")

    class Second(First):
        def end(self):
            ended.append("second")

    owner = Owner()
    first = owner.part(First, First)
    assert owner.part(First, First) is first
    assert isinstance(owner.part(Second, Second), Second)
    owner.end()
    assert ended == ["second", "first"]
    assert owner.part(First, First) is not first
