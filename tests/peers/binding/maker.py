"""Requests to the routes of binding.proto, made by chance, beside the message that each stands for."""

import json
from urllib.parse import quote

import binding_pb2
from values import Value, any_value, has_text, is_map, map_key, scalar, well_known

KINDS = binding_pb2.Kinds.DESCRIPTOR
PICKS = [field.name for field in KINDS.oneofs_by_name["choice"].fields]


class Request:
    """What goes out, and the message as json_format takes it."""

    def __init__(self, verb, target, body, plain, message=binding_pb2.Kinds):
        self.verb = verb
        self.target = target
        self.body = body
        self.plain = plain
        self.message = message

    def __str__(self):
        return f"{self.verb} {self.target} {self.body or ''}"


class Maker:
    """Makes requests. All choices come from one generator of random numbers."""

    def __init__(self, random):
        self.random = random

    def all(self):
        for variable in variables("/v1/path/"):
            for _ in range(3):
                yield self.path(variable)
        for text in ["a", "a/b/c", "grüße/100%", "a b/c+d", "x:y/z"]:
            yield Request("GET", f"/v1/rest/{quote(text)}", None, {"text": text})
        for _ in range(80):
            yield self.query()
        for _ in range(50):
            yield self.whole()
        for route in ["{text}", "{i64}/number", "{w_dbl}/wrapper", "{child.text}/child", "{pick_text}/pick"]:
            for _ in range(6):
                yield self.whole_with(route)
        for field in bodies():
            for _ in range(2):
                yield self.field(field)
        for _ in range(10):
            yield self.child_with_path()
        for _ in range(30):
            yield self.update()

    def path(self, variable):
        plain = {}
        value = scalar(leaf(variable), self.random, in_path=True)
        put(plain, variable, value.plain)
        parameters = self.parameters(plain, 2, set(first_of(variable)))
        return Request("GET", with_query(f"/v1/path/{variable}/{self.segment(value.text)}", parameters), None, plain)

    def query(self):
        plain = {}
        parameters = self.parameters(plain, self.random.randint(1, 12), set())
        verb = self.random.choice(["GET", "DELETE"])
        return Request(verb, with_query("/v1/query", parameters), None, plain)

    def whole(self):
        plain, body = self.object(KINDS, 12, set())
        return Request("POST", "/v1/whole", self.dump(body), plain)

    def whole_with(self, route):
        variable = route[1 : route.index("}")]
        taken = set(first_of(variable))
        nested = variable.startswith("child.")
        plain, body = self.object(KINDS, 6, taken - {"child"} if nested else taken)
        if nested:
            for form in (plain, body):
                form.pop("child", None)
            if self.random.random() < 0.7:
                inner, written = self.object(KINDS, 3, {"text", "child"})
                plain["child"], body["child"] = inner, written
        value = scalar(leaf(variable), self.random, in_path=True)
        put(plain, variable, value.plain)
        target = "/v1/whole/" + route.replace("{%s}" % variable, self.segment(value.text))
        return Request("PUT", target, self.dump(body), plain)

    def field(self, name):
        field = KINDS.fields_by_name[name]
        plain = {}
        value = self.value(field, 2)
        plain[name] = value.plain
        parameters = self.parameters(plain, 3, set(first_of(name)))
        return Request("POST", with_query(f"/v1/field/{name}", parameters), self.dump(value.body), plain)

    def child_with_path(self):
        inner, body = self.object(KINDS, 4, {"text"})
        plain = {"child": inner}
        value = scalar(KINDS.fields_by_name["text"], self.random, in_path=True)
        put(plain, "child.text", value.plain)
        parameters = self.parameters(plain, 2, {"child"})
        target = with_query(f"/v1/field/{self.segment(value.text)}/child", parameters)
        return Request("PUT", target, self.dump(body), plain)

    def update(self):
        inner, body = self.object(KINDS, 5, {"text"})
        plain = {"kinds": inner}
        target = "/v1/update"
        if self.random.random() < 0.5:
            value = scalar(KINDS.fields_by_name["text"], self.random, in_path=True)
            inner["text"] = value.plain
            target += "/" + self.segment(value.text)
        if self.random.random() < 0.3:
            plain["update_mask"] = "text,fooBar"
            target += "?update_mask=" + self.random.choice(["text,fooBar", "text,foo_bar", "text%2CfooBar"])
        else:
            paths = sorted(set(mask_of(KINDS, body)))
            if paths:
                plain["update_mask"] = ",".join(paths)
        return Request("PATCH", target, self.dump(body), plain, binding_pb2.UpdateRequest)

    def parameters(self, plain, count, taken):
        """That many parameters that are no part of `taken`, in any order; what they say is put into `plain`."""
        fields = [field for field in KINDS.fields if field.name not in taken]
        parameters = []
        for field in self.random.sample(fields, min(count, len(fields))):
            if field.name in taken:
                continue
            taken |= set(first_of(field.name))
            parameters.append(self.parameter(field, plain, 0))
        # Lists and maps have several, which mix with those of others in any way that keeps their order.
        mixed = []
        while any(parameters):
            mixed.append(self.random.choice([group for group in parameters if group]).pop(0))
        return mixed

    def parameter(self, field, plain, depth):
        """The parameters of one field."""
        random, name = self.random, self.name(field)
        if is_map(field):
            key, value = (field.message_type.fields_by_name[part] for part in ("key", "value"))
            entries, parameters = plain.setdefault(field.name, {}), []
            for text in sorted({map_key(key, random) for _ in range(random.randint(1, 3))}):
                if has_text(value):
                    made = scalar(value, random)
                    entries[text] = made.plain
                    parameters.append((f"{name}[{text}]", made.text))
                elif "]." not in text:
                    inner = entries.setdefault(text, {})
                    below = self.parameter(KINDS.fields_by_name["foo_bar"], inner, depth + 1)
                    parameters += [(f"{name}[{text}].{key}", value) for key, value in below]
            return parameters
        if field.is_repeated:
            if not has_text(field):
                return []
            values = [scalar(field, random) for _ in range(random.randint(1, 4))]
            plain[field.name] = [value.plain for value in values]
            return [(self.name(field), value.text) for value in values]
        if has_text(field):
            value = scalar(field, random)
            plain[field.name] = value.plain
            return [(name, value.text)]
        if field.message_type is KINDS and depth < 3:
            inner, parameters = plain.setdefault(field.name, {}), []
            for nested in random.sample([f for f in KINDS.fields if f.name not in PICKS], 2):
                below = self.parameter(nested, inner, depth + 1)
                parameters += [(f"{name}.{key}", value) for key, value in below]
            if not parameters:
                del plain[field.name]
            return parameters
        return []

    def object(self, message, count, taken, depth=0):
        """A message of some fields: plain, and as a body has it."""
        plain, body = {}, {}
        fields = [field for field in message.fields if field.name not in taken]
        for field in self.random.sample(fields, min(count, len(fields))):
            if field.name in PICKS and any(pick in plain for pick in PICKS):
                continue
            value = self.value(field, depth + 1)
            plain[field.name] = value.plain
            body[self.name(field)] = value.body
        return plain, body

    def value(self, field, depth):
        """A value of any field for a body."""
        random = self.random
        if is_map(field):
            key, element = (field.message_type.fields_by_name[part] for part in ("key", "value"))
            keys = {map_key(key, random) for _ in range(random.randint(0, 3))}
            made = {text: self.single(element, depth) for text in sorted(keys)}
            return Value({k: v.plain for k, v in made.items()}, {k: v.body for k, v in made.items()})
        if field.is_repeated:
            made = [self.single(field, depth) for _ in range(random.randint(0, 3))]
            return Value([v.plain for v in made], [v.body for v in made])
        return self.single(field, depth)

    def single(self, field, depth):
        if has_text(field):
            return scalar(field, self.random)
        if well_known(field) == "Any":
            return Value(any_value(self.random))
        if depth > 3 or field.message_type is not KINDS:
            return Value({}, {})
        return Value(*self.object(KINDS, self.random.randint(0, 4), set(), depth))

    def name(self, field):
        return self.random.choice([field.name, field.json_name])

    def segment(self, text):
        """A segment of a path, escaped no more than it has to be, or all of it."""
        safe = self.random.choice(["", "-._~!$&'()*+,;=@"])
        return quote(text, safe=safe)

    def dump(self, body):
        return json.dumps(
            body,
            ensure_ascii=self.random.random() < 0.5,
            indent=self.random.choice([None, 1]),
            allow_nan=False,
        )


def with_query(path, parameters):
    query = "&".join(f"{quote(key, safe='[]@')}={quote(value, safe='')}" for key, value in parameters)
    return f"{path}?{query}" if query else path


def leaf(path):
    """The field that a path leads to."""
    message = KINDS
    for name in path.split("."):
        field = message.fields_by_name[name]
        message = field.message_type
    return field


def first_of(path):
    """The field of the top level that a path begins with, and all that it excludes."""
    name = path.split(".")[0]
    return PICKS if name in PICKS else [name]


def put(plain, path, value):
    *parents, name = path.split(".")
    for parent in parents:
        plain = plain.setdefault(parent, {})
    plain[name] = value


def mask_of(message, body, prefix=""):
    """The paths, in lowerCamelCase, that a body sets: messages of fields are gone into, all else is a whole."""
    for key, value in body.items():
        field = next(field for field in message.fields if key in (field.name, field.json_name))
        parts = field.name.split("_")
        camel = prefix + parts[0] + "".join(part.capitalize() for part in parts[1:])
        plain = field.type == field.TYPE_MESSAGE and not field.is_repeated and well_known(field) is None
        if plain and value:
            yield from mask_of(field.message_type, value, camel + ".")
        else:
            yield camel


def rules():
    """All templates and bodies of the service."""
    from google.api import annotations_pb2

    for method in binding_pb2.DESCRIPTOR.services_by_name["Binding"].methods:
        rule = method.GetOptions().Extensions[annotations_pb2.http]
        for binding in [rule, *rule.additional_bindings]:
            yield getattr(binding, binding.WhichOneof("pattern")), binding.body


def variables(prefix):
    """The variables of the routes below a prefix."""
    return [path.rsplit("{", 1)[1].rstrip("}") for path, _ in rules() if path.startswith(prefix)]


def bodies():
    """The fields that a route has for its body and nothing else for its path."""
    return [body for path, body in rules() if path == f"/v1/field/{body}"]
