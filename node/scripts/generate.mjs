// Writes src/codes.ts and src/options.ts from the tables of the addon, or, with --check, compares them.
//
//   node scripts/generate.mjs ADDON [--check]
import { readFileSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { fileURLToPath } from 'node:url'
import { resolve } from 'node:path'

const HEAD = '/* Written by scripts/generate.mjs from the tables of bindings/bridge: do not edit. */\n'
const addon = createRequire(import.meta.url)(resolve(process.argv[2]))

function codes() {
  const lines = addon.codes().map(({ code, doc }) => `  /** ${doc} */\n  '${code}',\n`)
  return `${HEAD}
/** The codes of all errors. */
export const ERROR_CODES = [
${lines.join('')}] as const

/** Which failure an error is. */
export type ErrorCode = (typeof ERROR_CODES)[number]
`
}

// What an option's type is follows from what it accepts.
function type(accepts) {
  if (accepts === 'text') return 'string'
  if (accepts === 'true or false') return 'boolean'
  if (accepts === 'duration') return 'number | string'
  if (accepts.startsWith('first, last')) return "'first' | 'last' | number | Date"
  if (/^-?\d+ to \d+$/.test(accepts)) return 'number'
  return accepts
    .split(', ')
    .map((choice) => `'${choice}'`)
    .join(' | ')
}

function facts({ accepts, default: value }) {
  const facts = []
  if (accepts === 'duration') facts.push('Milliseconds, or text like `500ms`, `3s`, `5m`.')
  if (/ to /.test(accepts)) facts.push(`From ${accepts}.`)
  if (value !== '') facts.push(`Default: \`${value}\`.`)
  return facts.join(' ')
}

function settings(name, what, of) {
  const lines = addon.options(of).map((option) => {
    const doc = [option.doc, facts(option)].filter((part) => part !== '').join(' ')
    return `  /** ${doc} */\n  ${option.name}?: ${type(option.accepts)} | undefined\n`
  })
  return `\n/** Settings of ${what}. */\nexport interface ${name} {\n${lines.join('')}}\n`
}

function options() {
  return (
    HEAD +
    settings('ProducerSettings', 'a producer', 'producer') +
    settings('PushConsumerSettings', 'a push consumer', 'push') +
    settings('LitePullConsumerSettings', 'a lite pull consumer', 'lite')
  )
}

let stale = 0
for (const [name, content] of [['codes', codes()], ['options', options()]]) {
  const path = fileURLToPath(new URL(`../src/${name}.ts`, import.meta.url))
  if (!process.argv.includes('--check')) {
    writeFileSync(path, content)
  } else if (readFileSync(path, 'utf8') !== content) {
    console.error(`src/${name}.ts is not what the addon says: run npm run generate`)
    stale += 1
  }
}
process.exitCode = stale
