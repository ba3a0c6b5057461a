import { describe, expect, it } from 'vitest'
import { componentOf, looseComponents, variablesOf } from './components.ts'
import { defaultDefinition, defaultLanguages, defaultTemplates } from './defaults.ts'
import { definitionMistakes, templateName } from './definition.ts'

describe('the default templates', () => {
  const all = Object.keys(defaultTemplates).flatMap((name) => defaultLanguages.map((language) => [name, language] as const))
  it.each(all)('%s in %s is one that Meta takes, with an example for each of its values and no others', (name, language) => {
    expect(templateName.safeParse(name).success).toBe(true)
    const definition = defaultDefinition(name, language)
    if (definition === undefined) throw new Error('there is no such default')
    expect(definitionMistakes(definition)).toEqual([])
    const used = variablesOf(componentOf(looseComponents(definition), 'BODY')?.['text'])
    expect([...used].toSorted()).toEqual(Object.keys(defaultTemplates[name]?.examples ?? {}).toSorted())
  })
  it('have the same values in every language, so that whoever sends need not know which it is', () => {
    for (const [name] of all) {
      const values = defaultLanguages.map((language) => {
        const definition = defaultDefinition(name, language)
        return definition === undefined ? [] : [...variablesOf(componentOf(looseComponents(definition), 'BODY')?.['text'])].toSorted().join()
      })
      expect(new Set(values).size).toBe(1)
    }
  })
})
