//! What the JSON mapping lets pass and how it prints.

/// How JSON is read into a message. The default is strict; the limits bound memory and stack.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadOptions {
    /// Refuse a key that names no field. When false the key and its value are skipped.
    pub reject_unknown_fields: bool,
    /// Refuse a string that names no value of its enum, and a number that a closed enum does not
    /// have. When false the field, list element or map entry is dropped, as ProtoJSON has it.
    pub reject_unknown_enums: bool,
    /// Refuse a key given twice, also once by its JSON name and once by its proto name. When false
    /// the last one holds.
    pub reject_duplicate_keys: bool,
    /// Take the name of an enum value in upper and lower case; a name that fits exactly goes first.
    pub case_insensitive_enum_parsing: bool,
    /// Take the name of an enum value also without the name of its type in front:
    /// [`WriteOptions::strip_enum_prefixes`] prints it so.
    pub strip_enum_prefixes: bool,
    /// Nesting of JSON objects and arrays. 100 is where protobuf parsers of most languages stop.
    pub max_depth: usize,
    /// Values in the document: scalars, objects and arrays together. One of them costs up to 2 KB
    /// where a message has to be built as a tree, so this and not the byte length bounds memory.
    pub max_nodes: usize,
}

impl Default for ReadOptions {
    fn default() -> Self {
        Self {
            reject_unknown_fields: true,
            reject_unknown_enums: true,
            reject_duplicate_keys: true,
            case_insensitive_enum_parsing: false,
            strip_enum_prefixes: false,
            max_depth: MAX_DEPTH,
            max_nodes: 50_000,
        }
    }
}

impl ReadOptions {
    /// Whether an enum value has more names than the one in its `.proto` file.
    pub(crate) fn knows_other_enum_names(&self) -> bool {
        self.case_insensitive_enum_parsing || self.strip_enum_prefixes
    }
}

/// How a message is printed as JSON. The first four are Envoy's `print_options`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WriteOptions {
    /// Print fields without presence also when they hold their default: zero scalars, empty lists
    /// and maps. Fields with presence that are unset stay out.
    pub always_print_primitive_fields: bool,
    /// Print enum values as numbers.
    pub always_print_enums_as_ints: bool,
    /// Print the names of the `.proto` file instead of lowerCamelCase.
    pub preserve_proto_field_names: bool,
    /// Line breaks and an indent of two spaces.
    pub add_whitespace: bool,
    /// Print 64-bit integers as JSON numbers instead of strings, keys of maps apart. Above 2^53 a client whose
    /// numbers are doubles reads another number.
    pub print_int64_as_numbers: bool,
    /// Print enum values without the name of their type: `PAID` for `ORDER_STATUS_PAID` of `OrderStatus`. One
    /// that would begin with a digit or be that of another value keeps its whole name.
    pub strip_enum_prefixes: bool,
    /// Bytes of JSON; more is an error, and nothing is left in the output.
    pub max_bytes: usize,
    /// Levels of `google.protobuf.Any` inside `Any`. Each level is decoded on its own, so nothing
    /// else bounds them.
    pub max_any_depth: usize,
}

impl Default for WriteOptions {
    fn default() -> Self {
        Self {
            always_print_primitive_fields: false,
            always_print_enums_as_ints: false,
            preserve_proto_field_names: false,
            add_whitespace: false,
            print_int64_as_numbers: false,
            strip_enum_prefixes: false,
            max_bytes: 16 << 20,
            max_any_depth: MAX_ANY_DEPTH,
        }
    }
}

/// Messages inside messages, both ways: the recursion limit of prost, Java and C++. What is deeper
/// would be refused by the backend with an error that says nothing to the client.
pub(crate) const MAX_DEPTH: usize = 100;

/// Bytes that the trees of one reply may take, where it is not printed from its bytes. Some 80,000 messages: a reply
/// of 16 MiB could ask for 3 GiB.
pub(crate) const MAX_TREE_BYTES: usize = 64 << 20;

/// Levels of `Any` accepted in JSON, and the default for printing.
pub(crate) const MAX_ANY_DEPTH: usize = 8;
