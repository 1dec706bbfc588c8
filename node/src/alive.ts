/*
 * What keeps the process alive: objects with calls under way, and consumers from joining their group to their end. The
 * addon's wake-ups never do.
 *
 * The set also keeps these objects themselves: the addon holds them weakly.
 */
const NEVER = 2 ** 31 - 1
const busy = new Set<object>()
let timer: NodeJS.Timeout | undefined

/** From now on until `release` the process does not end by itself. */
export function hold(object: object): void {
  busy.add(object)
  if (timer === undefined) timer = setInterval(() => {}, NEVER)
  else if (busy.size === 1) timer.ref()
}

/** The object needs nothing any more. */
export function release(object: object): void {
  if (busy.delete(object) && busy.size === 0) timer?.unref()
}
