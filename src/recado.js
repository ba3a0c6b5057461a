#!/usr/bin/env node
import { enableCompileCache } from 'node:module'
import { fileURLToPath } from 'node:url'

// The way in, and the only file that is not TypeScript: what is imported before the cache is on is stripped of its types anew at every start, and the
// compiler that does it stays in memory (20 MB of an idle process). `npm ci` fills the cache; it belongs to this checkout and survives a reboot.
if (process.features.typescript === false || process.features.typescript === undefined) {
  console.error(`Recado needs Node 26, and this is ${process.version}. \`npm ci\` brings it: start with \`npm start\` or \`npx recado\`.`)
  process.exit(process.argv[2] === 'prepare' ? 0 : 1)
}
enableCompileCache(fileURLToPath(new URL('../node_modules/.cache/recado', import.meta.url)))
await import('./cli.ts')
