import { benchAppend } from './append.ts'
import { benchAsOf } from './as-of.ts'
import { benchCustom } from './custom.ts'
import { benchEndToEnd } from './end-to-end.ts'
import { benchEngines } from './engines.ts'
import { benchHistory } from './history.ts'
import { benchPages, pagesOptions } from './pages.ts'
import { benchProjections } from './projections.ts'
import { benchRebuild, rebuildOptions } from './rebuild.ts'
import { benchSend } from './send.ts'
import { benchWebhook } from './webhook.ts'

/** `npm run bench [-- append webhook end-to-end send history custom projections rebuild as-of pages engines --long]`: the published figures. Run it alone; trust the ratios. */
const chosen = process.argv
  .slice(2)
  .filter((word, place, words) => !word.startsWith('--') && !/^--(events|rounds|slow-events|only|small|large|asked)$/.test(words[place - 1] ?? ''))
const wants = (name: string): boolean => chosen.length === 0 || chosen.includes(name)
const long = process.argv.includes('--long')

if (wants('append')) {
  console.log('\n(a) append with expected versions')
  await benchAppend()
}
if (wants('webhook')) {
  console.log('\n(b) webhook acknowledged, 256 connections')
  await benchWebhook()
}
if (wants('end-to-end')) {
  console.log('\n(c) webhook → visible through the query API')
  await benchEndToEnd({ halfSeconds: long ? 300 : 60 })
}
if (wants('send')) {
  console.log('\n(d) sending, with a neighbour who answers a customer')
  await benchSend({ messages: long ? 120_000 : 30_000 })
}
if (wants('history')) {
  console.log('\n(e) the history of a phone beside live messages')
  await benchHistory()
}
if (wants('projections')) {
  console.log('\n(j) the live writer of read models')
  await benchProjections()
}
if (wants('custom')) {
  console.log('\n(g) projections of one’s own, and exports, as commands')
  await benchCustom()
}
if (wants('rebuild')) {
  console.log('\n(f) rebuilding read models, and writing them live')
  await benchRebuild(rebuildOptions())
}
if (wants('as-of')) {
  console.log('\n(k) as of a moment')
  await benchAsOf({ events: rebuildOptions()?.events })
}
if (wants('pages')) {
  console.log('\n(i) pages of an inbox and of threads, small and large, and while they are rebuilt')
  await benchPages(pagesOptions())
}
// Only when it is asked for: it measures an engine that has to be there.
if (chosen.includes('engines')) {
  console.log('\n(h) the same work on each engine')
  await benchEngines({ seconds: long ? 60 : 10 })
}
