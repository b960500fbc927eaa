/** Deepest nesting of expressions, statements and macro calls: more would overflow the JavaScript stack. */
export const MAX_NESTING_DEPTH = 200

/** Longest text that a template may make, in UTF-16 units; a rendered conversation is far below a hundredth of it. */
export const MAX_TEXT_LENGTH = 1 << 24

/** Elementary steps (loop rounds, calls, copied items) of one render: about a second of work. */
export const MAX_STEPS = 2_000_000

/** Characters copied by one render: text operations cost by their length, so that no loop can multiply them. */
export const MAX_COPIED_CHARACTERS = 1 << 28

/** Longest range, as in jinja2's sandbox (`MAX_RANGE`). */
export const MAX_RANGE = 100_000

/** Most decimal digits of an integer: the limit of Python's int to str conversion. */
export const MAX_INTEGER_DIGITS = 4300

/** Longest chain of operators, attributes or filters: the compiler goes down a chain link by link. */
export const MAX_CHAIN_LENGTH = 1000

/** Longest template source; the largest published chat template has 20,000 characters. */
export const MAX_SOURCE_LENGTH = 1 << 20
