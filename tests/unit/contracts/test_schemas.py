from enum import StrEnum
from typing import Annotated, Literal, Optional

from pydantic import Field

from contracts.messages import Message, TenantsRequest
from contracts.schemas import FieldShape, fields_of, models_in, schemas_of


class Size(StrEnum):
    SMALL = "small"
    LARGE = "large"


class Leaf(Message):
    text: str


class Branch(Message):
    leaves: tuple[Leaf, ...] = ()
    first: Leaf | None = None
    by_size: dict[Size, Leaf] = Field(default_factory=dict)


class Tree(Message):
    age: Annotated[int, Field(ge=0, le=900)]
    kind: Literal["oak"] = "oak"
    size: Size | None = None
    branches: Annotated[tuple[Branch, ...], Field(min_length=1)]
    names: dict[Annotated[str, Field(pattern="^[a-z]+$")], int] = Field(default_factory=dict)


class Node(Message):
    next: Optional["Node"] = None


def test_models_are_found_within_tuples_maps_and_unions() -> None:
    assert models_in(Tree) == (Tree, Branch, Leaf)


def test_each_model_is_found_once() -> None:
    assert models_in(Leaf, Branch, Node, Leaf) == (Leaf, Branch, Node)


def test_schemas_are_named_after_their_classes_and_refer_to_each_other() -> None:
    schemas = schemas_of([Branch], "#/here/")

    assert list(schemas) == ["Branch", "Leaf", "Size"]
    assert schemas["Branch"]["properties"]["leaves"]["items"] == {"$ref": "#/here/Leaf"}


def test_every_field_has_a_path_and_a_shape() -> None:
    fields = fields_of("Tree", schemas_of([Tree]))

    assert list(fields) == [
        "",
        "age",
        "kind",
        "size",
        "branches",
        "branches[]",
        "branches[].leaves",
        "branches[].leaves[]",
        "branches[].leaves[].text",
        "branches[].first",
        "branches[].first.text",
        "branches[].by_size",
        "branches[].by_size{}",
        "branches[].by_size{}.text",
        "branches[].by_size{key}",
        "names",
        "names{}",
        "names{key}",
    ]
    assert fields["age"] == FieldShape("integer", True, None, {"minimum": 0, "maximum": 900})
    assert fields["kind"] == FieldShape("string", False, ('"oak"',), {})
    assert fields["size"] == FieldShape("null|string", False, ('"small"', '"large"'), {})
    assert fields["branches"] == FieldShape("array", True, None, {"minItems": 1})
    assert fields["branches[].by_size{key}"].values == ('"small"', '"large"')
    assert fields["names{key}"].bounds == {"pattern": "^[a-z]+$"}


def test_a_model_within_itself_ends_the_walk() -> None:
    fields = fields_of("Node", schemas_of([Node]))

    assert list(fields) == ["", "next"]


def test_the_variants_of_a_discriminated_union_are_apart() -> None:
    fields = fields_of("TenantsRequest", schemas_of([TenantsRequest]))

    assert fields["operation<CreateTenant>.slug"].required
    assert fields["operation<CreateTenant>.op"].values == ('"create"',)
    assert fields["operation<GetTenant>.op"].values == ('"get"',)
    assert "operation<GetTenant>.slug" not in fields
    assert "operation.slug" not in fields
