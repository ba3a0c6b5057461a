import { readFileSync } from 'node:fs'
import type { IncomingMessage, ServerResponse } from 'node:http'

const files: Readonly<Record<string, { readonly file: string; readonly type: string }>> = {
  '/': { file: 'phone.html', type: 'text/html; charset=utf-8' },
  '/phone.js': { file: 'phone.js', type: 'text/javascript; charset=utf-8' },
  '/phone.css': { file: 'phone.css', type: 'text/css; charset=utf-8' },
}

/** Serves the simulated phone. False when the path is none of its files. Its links are relative, hence the slash at the end of the prefix. */
export function servePage(req: IncomingMessage, res: ServerResponse, path: string, prefix: string): boolean {
  if (req.method !== 'GET') return false
  if (path === '') {
    const query = req.url?.includes('?') ? req.url.slice(req.url.indexOf('?')) : ''
    res.writeHead(302, { location: `${prefix}/${query}` })
    res.end()
    return true
  }
  const known = files[path]
  if (!known) return false
  // Read anew each time: a page of a tool for developers, edited while it runs.
  const bytes = readFileSync(new URL(`pages/${known.file}`, import.meta.url))
  res.writeHead(200, {
    'content-type': known.type,
    'content-length': bytes.length,
    'cache-control': 'no-cache',
    'content-security-policy': "default-src 'self'; img-src 'self' data: blob: https: http:; media-src 'self' https: http:",
    'x-content-type-options': 'nosniff',
  })
  res.end(bytes)
  return true
}
