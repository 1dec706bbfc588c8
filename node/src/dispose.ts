/*
 * `Symbol.asyncDispose` for Node before 18.18, which lacks it: without it the code that compilers make of `await using`
 * finds nothing to call.
 */
if (Symbol.asyncDispose === undefined) {
  Object.defineProperty(Symbol, 'asyncDispose', { value: Symbol.for('Symbol.asyncDispose') })
}

export {}
