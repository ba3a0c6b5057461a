import { environment } from './config.ts'

type Described = { readonly name: string; readonly takes: string; readonly says: string; readonly otherwise: string; readonly example: string }

function described(): readonly Described[] {
  return Object.entries(environment.shape).map(([name, schema]) => {
    const meaning = schema.meta() ?? {}
    const text = (key: string): string => (typeof meaning[key] === 'string' ? meaning[key] : '')
    return { name, takes: text('takes'), says: text('says'), otherwise: text('otherwise'), example: text('example') }
  })
}

/** docs/reference/configuration.md. */
export function renderConfigReference(): string {
  const rows = described().map(({ name, takes, says, otherwise }) => `| \`${name}\` | ${takes} | ${otherwise} | ${says} |`)
  return `${[
    '# Configuration',
    '',
    'Everything is set by environment variables; this page is generated from `src/config.ts`. An empty value counts as none.',
    'A value that cannot be used stops the start, with one line per mistake.',
    '',
    '| Variable | Takes | Without it | Meaning |',
    '|---|---|---|---|',
    ...rows,
  ].join('\n')}\n`
}

/** .env.example: every variable that takes something, commented out. */
export function renderEnvExample(): string {
  const blocks = described()
    .filter(({ takes }) => takes !== 'nothing')
    .map(({ name, says, otherwise, example }) => `# ${says}\n# Without it: ${otherwise}\n#${name}=${example}`.replaceAll('`', ''))
  return `${['# Generated from src/config.ts. Copy to .env and start with: node --env-file=.env src/recado.js serve', ...blocks].join('\n\n')}\n`
}
