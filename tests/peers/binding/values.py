"""Values of every kind of field, awkward ones first, each in the forms that a client may write it in."""

import base64
import json

from google.protobuf import json_format
from google.protobuf.descriptor import FieldDescriptor as Field

SIGNED_32 = [0, -1, 1, 2**31 - 1, -(2**31), 100]
SIGNED_64 = [0, -1, 2**63 - 1, -(2**63), 2**53 + 1, 4294967297]
UNSIGNED_32 = [0, 1, 2**32 - 1, 2**31]
UNSIGNED_64 = [0, 2**64 - 1, 2**63, 2**53 + 1]
DOUBLES = [0.0, -0.0, 1.5, 0.1, 1e21, 1.7976931348623157e308, 5e-324, "NaN", "Infinity", "-Infinity"]
FLOATS = [0.0, -0.0, 1.5, 3.4028234663852886e38, 1.401298464324817e-45, "NaN", "Infinity", "-Infinity"]
TEXTS = [
    "",
    "a b",
    "100%",
    "%2F",
    "a/b",
    "a+b",
    "a&b=c?d#e",
    "grüße ✓ 😀",
    "a:b;c,d",
    "[x].y",
    '"quoted" \\ and\n\ttabbed',
    "null",
    "e\u0301\u200d\ufeff",
]
# What a path can hold in one segment: something, and neither a backslash nor a control character.
PATH_TEXTS = [text for text in TEXTS if text and "\\" not in text]
BYTES = [b"", b"\xfb\xff", b"\x00", bytes(range(256)), b"\xff\xef\xbe\xad\xde", b"text"]
COLORS = [(0, "COLOR_UNSPECIFIED"), (1, "COLOR_CRIMSON"), (2, "COLOR_BLUE"), (-3, "COLOR_NEGATIVE"), (77, None)]
TIMESTAMPS = [
    "1970-01-01T00:00:00Z",
    "0001-01-01T00:00:00Z",
    "9999-12-31T23:59:59.999999999Z",
    "2024-02-29T23:59:59.5Z",
    "2000-02-29T12:00:00+05:30",
    "1969-12-31T23:59:59.000000001-08:00",
]
DURATIONS = ["0s", "1.5s", "-0.000000001s", "315576000000s", "-315576000000s", "3.000001s"]
MASKS = ["", "text", "fooBar,child.fooBar", "child.child.i32,i64"]
VALUES = [None, True, 1.5, -7, "a/b", [], [1, None, "x"], {"a": {"b": [1]}}, {"": ""}]
STRUCTS = [{}, {"a": None, "b c": [1, {"d": "é"}]}, {"x": 1e100}]
LISTS = [[], [1, "a", None, [True], {"k": "v"}]]

INTEGERS = {
    Field.TYPE_INT32: SIGNED_32,
    Field.TYPE_SINT32: SIGNED_32,
    Field.TYPE_SFIXED32: SIGNED_32,
    Field.TYPE_INT64: SIGNED_64,
    Field.TYPE_SINT64: SIGNED_64,
    Field.TYPE_SFIXED64: SIGNED_64,
    Field.TYPE_UINT32: UNSIGNED_32,
    Field.TYPE_FIXED32: UNSIGNED_32,
    Field.TYPE_UINT64: UNSIGNED_64,
    Field.TYPE_FIXED64: UNSIGNED_64,
}
TEXT_MESSAGES = {"Timestamp": TIMESTAMPS, "Duration": DURATIONS, "FieldMask": MASKS}
JSON_MESSAGES = {"Value": VALUES, "Struct": STRUCTS, "ListValue": LISTS}


def well_known(field):
    """The name of a type of google/protobuf that is not written as an object of its fields."""
    if field.type != Field.TYPE_MESSAGE:
        return None
    package, _, name = field.message_type.full_name.rpartition(".")
    return name if package == "google.protobuf" and name != "Empty" else None


def is_map(field):
    return field.type == Field.TYPE_MESSAGE and field.message_type.GetOptions().map_entry


class Value:
    """One value: as json_format takes it, as a body has it, and as the text of a path or query."""

    def __init__(self, plain, body=None, text=None):
        self.plain = plain
        self.body = plain if body is None else body
        self.text = text


def scalar(field, random, in_path=False):
    """A value of a field that holds one value and is no message of fields; a list's or map's element likewise."""
    kind, known = field.type, well_known(field)
    if kind in INTEGERS:
        number = random.choice(INTEGERS[kind])
        forms = [number, str(number)]
        if abs(number) < 2**53:
            forms.append(f"{number}.0")
        return Value(number, random.choice(forms), str(number))
    if kind in (Field.TYPE_DOUBLE, Field.TYPE_FLOAT):
        number = random.choice(DOUBLES if kind == Field.TYPE_DOUBLE else FLOATS)
        text = number if isinstance(number, str) else repr(number)
        return Value(number, random.choice([number, text]), text)
    if kind == Field.TYPE_BOOL:
        truth = random.choice([True, False])
        return Value(truth, truth, "true" if truth else "false")
    if kind == Field.TYPE_STRING:
        text = random.choice(PATH_TEXTS if in_path else TEXTS)
        return Value(text, text, text)
    if kind == Field.TYPE_BYTES:
        data = random.choice(BYTES[1:] if in_path else BYTES)
        encode = random.choice([base64.standard_b64encode, base64.urlsafe_b64encode])
        text = encode(data).decode()
        text = random.choice([text, text.rstrip("=")])
        return Value(base64.standard_b64encode(data).decode(), text, text)
    if kind == Field.TYPE_ENUM:
        if field.enum_type.full_name == "google.protobuf.NullValue":
            return Value(None, None, "NULL_VALUE")
        number, name = random.choice(COLORS)
        form = random.choice([number, name or number])
        return Value(number, form, str(form))
    if known in TEXT_MESSAGES:
        choices = [text for text in TEXT_MESSAGES[known] if text or not in_path]
        text = random.choice(choices)
        snake = "".join("_" + letter.lower() if letter.isupper() else letter for letter in text)
        written = random.choice([text, snake]) if known == "FieldMask" else text
        return Value(text, text, written)
    if known in JSON_MESSAGES:
        value = random.choice(JSON_MESSAGES[known])
        return Value(value, value, json.dumps(value, ensure_ascii=random.random() < 0.5))
    if known and known.endswith("Value"):
        return scalar(field.message_type.fields_by_name["value"], random, in_path)
    raise ValueError(f"{field.full_name} has no text")


def any_value(random):
    """An Any, in the two forms that it has in JSON."""
    return random.choice(
        [
            {"@type": "type.googleapis.com/google.protobuf.Duration", "value": "1.5s"},
            {"@type": "type.googleapis.com/binding.test.Kinds", "i32": 5, "child": {"text": "a"}},
            {"value": "a/b", "@type": "type.googleapis.com/google.protobuf.StringValue"},
        ]
    )


def has_text(field):
    """Whether a path or query can say a value of it."""
    known = well_known(field)
    return field.type != Field.TYPE_MESSAGE or (known is not None and known != "Any")


def map_key(field, random):
    """A key of a map: as text, which is what JSON has, too."""
    if field.type == Field.TYPE_BOOL:
        return random.choice(["true", "false"])
    if field.type == Field.TYPE_STRING:
        return random.choice(TEXTS)
    return str(random.choice(INTEGERS[field.type]))


def parse(plain, message_type):
    """What Python's own JSON mapping makes of a message."""
    return json_format.ParseDict(plain, message_type())
