#!/usr/bin/env node
import { enableCompileCache } from 'node:module'
import { fileURLToPath } from 'node:url'
import { setFlagsFromString } from 'node:v8'

// The way in, and the only file that is not TypeScript: what is imported before the cache is on is stripped of its types anew at every start, and the
// compiler that does it stays in memory (20 MB of an idle process). `npm ci` fills the cache; it belongs to this checkout and survives a reboot.
if (process.features.typescript === false || process.features.typescript === undefined) {
  console.error(`Recado needs Node 26, and this is ${process.version}. \`npm ci\` brings it: start with \`npm start\` or \`npx recado\`.`)
  process.exit(process.argv[2] === 'prepare' ? 0 : 1)
}
// V8 learns which places in the code make objects that live long, and makes those in the old generation from then on. Right after the start, while the
// young generation is small, that is what everything looks like that waits for a commit. From there such objects die unseen in the old generation and take
// along what they hold, their requests and bodies: every second run promoted 4.3 KB of the 15 KB of a delivery, which made a collection of the young
// generation 2 to 5 times as long (up to 20 ms, five times a second) and called for one of the old in two seconds. Without: 0.3 KB, always.
setFlagsFromString('--no-allocation-site-pretenuring')
// V8 lets the old generation grow by less than half before it marks all of it again, and begins when less than a young generation of room is left: with 85 MB
// of caches that was every two seconds of a load, 100 to 200 ms of disturbed answers each time. It may double: every four seconds.
setFlagsFromString('--heap-growing-percent=100')
enableCompileCache(fileURLToPath(new URL('../node_modules/.cache/recado', import.meta.url)))
await import('./cli.ts')
