import { opened, project } from 'recado' // Which templates are answered? Their names are part of what is sealed: run it with --reveal.
export default project({
  tables: { waiting: { conversation: 'text key', template: 'text' }, templates: { template: 'text key', sent: 'int4', answered: 'int4' } },
  on: {
    MessageQueued: ({ content }, { stream: { id } }, { waiting, templates }) => {
      const template = opened<{ template?: { name: string } }>(content)?.template?.name ?? 'none'
      waiting.set({ conversation: id }, { template })
      templates.add({ template }, { sent: 1 })
    },
    MessageReceived: (_, { stream: { id } }, { waiting, templates }) => {
      const template = waiting.take({ conversation: id })?.template
      if (template) templates.add({ template }, { answered: 1 })
    },
  },
})
