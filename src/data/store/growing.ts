/** Numbers that are appended one by one. */
export interface NumberList {
  /** The first `size` of them count. */
  values: Int32Array
  size: number
  push(value: number): void
}

/** A list that doubles when it is full. */
export function numberList(room = 1024): NumberList {
  const list = {
    values: new Int32Array(room),
    size: 0,
    push(value: number) {
      if (list.size === list.values.length) {
        const larger = new Int32Array(2 * list.size)
        larger.set(list.values)
        list.values = larger
      }
      list.values[list.size++] = value
    },
  }
  return list
}
