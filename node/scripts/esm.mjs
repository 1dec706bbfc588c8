// Writes the ES module entry beside the CommonJS one: the same objects, so that a program that uses both has one of each
// class. TypeScript's declarations are shared the same way.
import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const dist = new URL('../dist/', import.meta.url)
const path = (name) => fileURLToPath(new URL(name, dist))
const names = [...readFileSync(path('index.js'), 'utf8').matchAll(/Object\.defineProperty\(exports, "(\w+)"/g)]
  .map(([, name]) => name)
  .filter((name) => name !== '__esModule')
if (names.length === 0) throw new Error('dist/index.js has no exports')
writeFileSync(path('index.mjs'), `import ferromq from './index.js'\n\nexport const { ${names.join(', ')} } = ferromq\n`)
writeFileSync(path('index.d.mts'), "export * from './index.js'\n")
