#!/usr/bin/env node
// The command `ferromq`: the carried executable with the same arguments, streams and exit code.
'use strict'
const { spawn } = require('node:child_process')
const { constants } = require('node:os')
const { executable } = require('../index.cjs')

const child = spawn(executable(), process.argv.slice(2), { stdio: 'inherit' })
// What a terminal sends reaches both; what is sent to this process alone is passed on.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal))
child.on('error', (error) => {
  console.error(`ferromq: ${error.message}`)
  process.exitCode = 1
})
child.on('exit', (code, signal) => {
  process.exitCode = code ?? 128 + constants.signals[signal]
})
