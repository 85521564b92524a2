// Groups as the page knows them: their chat and their metadata (fact sheet §4.2, §6.1).
if (!window.__sandboxRefused)
  __d('SandboxGroups', (require, exports) => {
    const { Model, Collection } = require('SandboxModels');
    const { WAWebGroupMetadataCollection: metadata } = require('WAWebCollections');
    const { createWid } = require('SandboxIds');
    const { chatOf } = require('SandboxChats');
    const storage = require('SandboxStorage');

    class Participant extends Model {
      static fields = ['id', 'isAdmin', 'isSuperAdmin'];
    }

    // Brings a group up to date with what came with one of its messages.
    exports.learn = (id, frame, { keep = true } = {}) => {
      const wid = createWid(id);
      const chat = chatOf(wid, frame.subject);
      const group = metadata.get(wid) ?? metadata.gadd(wid, { silent: true });
      const participants = new Collection(Participant);
      for (const member of frame.members) {
        const owner = member.id === frame.owner;
        participants.add({ id: createWid(member.id), isAdmin: member.admin, isSuperAdmin: owner && member.admin });
      }
      group.set({
        participants,
        owner: createWid(frame.owner),
        creation: frame.created,
        desc: frame.description,
        announce: false,
        restrict: false,
        isLidAddressingMode: frame.byLid,
      });
      chat.attributes.groupMetadata = group;
      if (chat.name !== frame.subject) chat.set({ name: frame.subject });
      if (keep) storage.put('group', { id, frame });
    };
  }, { stage: 'sandbox' });
