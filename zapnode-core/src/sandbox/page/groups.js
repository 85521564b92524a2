// Groups as the page knows them: their chat, their metadata, and what is asked of the servers about
// them (fact sheet §4.2, §6.1).
if (!window.__sandboxRefused) {
  __d('SandboxGroups', (require, exports) => {
    const { Model, Collection } = require('SandboxModels');
    const collections = require('WAWebCollections');
    const metadata = collections.WAWebGroupMetadataCollection ?? collections.GroupMetadata;
    const { createWid, Wid } = require('SandboxIds');
    const { chatOf } = require('SandboxChats');
    const storage = require('SandboxStorage');
    const wire = require('SandboxWire');

    class Participant extends Model {
      static fields = ['id', 'isAdmin', 'isSuperAdmin'];
    }
    class Request extends Model {
      static fields = ['id', 't'];
    }
    class Requests extends Collection {
      get _models() {
        return this.getModelsArray();
      }
    }

    // Brings a group up to date with what came with one of its messages, or was asked for.
    exports.learn = (id, frame, { keep = true } = {}) => {
      const settings = frame.settings ?? {};
      const wid = createWid(id);
      const chat = chatOf(wid, frame.subject);
      const group = metadata.get(wid) ?? metadata.gadd(wid, { silent: true });
      const participants = new Collection(Participant);
      for (const member of frame.members) {
        const owner = member.id === frame.owner;
        participants.add({ id: createWid(member.id), isAdmin: member.admin, isSuperAdmin: owner && member.admin });
      }
      const requests = new Requests(Request);
      for (const { id, t } of frame.requests ?? []) requests.add({ id: createWid(id), t });
      group.set({
        participants,
        owner: createWid(frame.owner),
        creation: frame.created,
        desc: frame.description,
        descId: frame.descriptionId ?? undefined,
        announce: Boolean(settings.announce),
        restrict: Boolean(settings.restrict),
        memberAddMode: settings.adminsAdd ? 'admin_add' : 'all_member_add',
        membershipApprovalMode: settings.approval,
        membershipApprovalRequests: requests,
        ephemeralDuration: settings.ephemeral,
        isParentGroup: frame.community,
        groupType: frame.community ? 'COMMUNITY' : 'DEFAULT',
        isLidAddressingMode: frame.byLid,
      });
      chat.attributes.groupMetadata = group;
      if (chat.name !== frame.subject) chat.set({ name: frame.subject });
      if (keep) storage.put('group', { id, frame });
      return group;
    };

    // Asks the servers; a refusal is an error with their number (§6.1).
    exports.ask = async (call) => {
      if (!require('SandboxSession').mayAct()) throw new Error(`${call.op} while syncing`);
      const { value, status } = await wire.ask({ t: 'group', call });
      if (status) throw require('SandboxSend').serverError(status);
      return value;
    };

    const aGroup = (given, what) => {
      const wid = given?.id ?? given;
      if (!(wid instanceof Wid) || !wid.isGroup()) throw new TypeError(`${what}: not a group`);
      return wid.toString();
    };
    exports.ofWid = (wid, what) => {
      if (!(wid instanceof Wid)) throw new TypeError(`${what}: not a wid`);
      return aGroup(wid, what);
    };
    exports.ofChat = (chat, what) => {
      if (!collections.Chat.get(chat?.id)?.groupMetadata) throw new TypeError(`${what}: not a group's chat`);
      return aGroup(chat, what);
    };

    exports.refresh = async (id) => exports.learn(id, await exports.ask({ op: 'get', group: id }));
    // Of a group that was left the page keeps what it knew.
    metadata.update = async (wid) =>
      exports.refresh(aGroup(wid, 'update')).catch((error) => {
        if (error.name !== 'ServerStatusCodeError') throw error;
        return metadata.get(wid);
      });
    metadata.find = async (wid) => metadata.get(wid) ?? exports.refresh(aGroup(createWid(wid), 'find'));
  }, { stage: 'sandbox' });

  __d('WAWebGroupQueryJob', (require, exports) => {
    const groups = require('SandboxGroups');
    const { createWid } = require('SandboxIds');
    const older = require('SandboxLoader').config.faults.groupModules === 'older';

    exports.queryAndUpdateGroupMetadataById = async ({ id }) => {
      await groups.refresh(groups.ofWid(createWid(id), 'queryAndUpdateGroupMetadataById'));
    };
    exports.resetGroupInviteCode = async (wid) =>
      groups.ask({ op: 'invite', group: groups.ofWid(wid, 'resetGroupInviteCode'), anew: true });
    exports.queryGroupInvite = async (code) => {
      if (typeof code !== 'string') throw new TypeError('queryGroupInvite: no code');
      const { id, frame } = await groups.ask({ op: 'inviteInfo', code });
      return {
        id: createWid(id),
        subject: frame.subject,
        desc: frame.description,
        owner: createWid(frame.owner),
        creation: frame.created,
        size: frame.members.length,
      };
    };
    if (!older) return;
    exports.queryGroupInviteCode = async (wid) =>
      (await groups.ask({ op: 'invite', group: groups.ofWid(wid, 'queryGroupInviteCode'), anew: false })).code;
    exports.joinGroupViaInvite = (code) => require('SandboxInvites').join(code);
  });

  __d('SandboxInvites', (require, exports) => {
    const groups = require('SandboxGroups');
    const { createWid } = require('SandboxIds');

    exports.join = async (code) => {
      if (typeof code !== 'string') throw new TypeError('joinGroupViaInvite: no code');
      const { id, approval } = await groups.ask({ op: 'join', code });
      if (!approval) return { gid: createWid(id) };
      // Where an admin has to agree: an answer that the page does not count among the good ones.
      const error = new Error('unexpected response');
      throw Object.assign(error, { name: 'UnexpectedJoinGroupViaInviteResponse', gid: createWid(id), membershipApprovalMode: true });
    };
  }, { stage: 'sandbox' });

  const notOlder = (require) => {
    if (require('SandboxLoader').config.faults.groupModules === 'older') throw new Error('not in this build');
  };

  __d('WAWebGroupInviteJob', (require, exports) => {
    notOlder(require);
    exports.joinGroupViaInvite = (code, _approval) => require('SandboxInvites').join(code);
  });

  __d('WAWebGroupInviteV4Job', (require, exports) => {
    const groups = require('SandboxGroups');
    const { createWid, Wid } = require('SandboxIds');
    exports.joinGroupViaInviteV4 = async (code, expires, gid, from) => {
      if (typeof expires !== 'string' || !(from instanceof Wid)) throw new TypeError('joinGroupViaInviteV4: whose?');
      const { id } = await groups.ask({ op: 'joinByCard', code, group: String(gid) });
      return { gid: createWid(id), status: 200 };
    };
  });

  __d('WAWebMexFetchGroupInviteCodeJob', (require, exports) => {
    notOlder(require);
    const groups = require('SandboxGroups');
    exports.fetchMexGroupInviteCode = async (id) => {
      if (typeof id !== 'string') throw new TypeError('fetchMexGroupInviteCode: the id is no text');
      return groups.ask({ op: 'invite', group: id, anew: false });
    };
  });

  // After the login only (§8.2).
  __d('WAWebGroupCreateJob', (require, exports) => {
    const groups = require('SandboxGroups');
    const { createWid, Wid } = require('SandboxIds');
    const me = require('WAWebUserPrefsMeUser');
    exports.createGroup = async (options, members) => {
      // §8.1: an object, and members with their numbers; the older positional form means nothing here.
      if (typeof options?.title !== 'string') throw new TypeError("Cannot read properties of undefined (reading 'title')");
      if (!Array.isArray(members) || !members.every((one) => one?.phoneNumber instanceof Wid && one.phoneNumber.server === 'c.us'))
        throw new TypeError('createGroup: a member without phoneNumber');
      const made = await groups.ask({
        op: 'create',
        subject: options.title.toWellFormed(),
        members: members.map((one) => one.phoneNumber.toString()),
        announce: Boolean(options.announce),
        restrict: Boolean(options.restrict),
        adminsAdd: Boolean(options.memberAddMode),
        approval: Boolean(options.membershipApprovalMode),
        ephemeral: options.ephemeralDuration ?? 0,
        parent: options.parentGroupId ? String(options.parentGroupId) : null,
      });
      const group = groups.learn(made.id, made.frame);
      const asMember = (wid) => (made.frame.byLid ? (require('SandboxLidMap').lidOf(wid) ?? wid) : wid);
      const mine = made.frame.byLid ? me.getMaybeMeLidUser() : me.getMaybeMePnUser();
      return {
        wid: createWid(made.id),
        subject: made.frame.subject,
        participants: [
          { wid: mine, type: 'superadmin' },
          ...made.participants.map(({ wid, error, code }) => ({
            wid: asMember(createWid(wid)),
            type: 'participant',
            ...(error ? { error, invite_code: code, invite_code_exp: String(group.creation + 259_200) } : {}),
          })),
        ],
      };
    };
  }, { stage: 'login' });

  // Remote procedures take and give the wire's own forms.
  const jid = (text, servers, what) => {
    if (typeof text !== 'string' || !servers.includes(text.split('@')[1])) throw new TypeError(`${what}: ${text} is no jid`);
    return text;
  };
  const person = (text, what) => jid(text, ['s.whatsapp.net', 'lid'], what);

  __d('WASmaxGroupsAddParticipantsRPC', (require, exports) => {
    const groups = require('SandboxGroups');
    exports.sendAddParticipantsRPC = async ({ participantArgs, iqTo }) => {
      const group = jid(iqTo, ['g.us'], 'sendAddParticipantsRPC');
      const wanted = participantArgs.map(({ participantJid }) => person(participantJid, 'sendAddParticipantsRPC'));
      const addParticipant = [];
      try {
        for (const member of wanted) {
          const { error, code, expires } = await groups.ask({ op: 'add', group, member });
          const mixins = {
            name: code ? 'ParticipantRequestCodeCanBeSent' : error ? 'ParticipantError' : 'ParticipantAdded',
            value: code ? { error, addRequestCode: code, addRequestExpiration: expires } : error ? { error } : {},
          };
          addParticipant.push({
            jid: member,
            addParticipantsParticipantAddedOrNonRegisteredWaUserParticipantErrorLidResponseMixinGroup: {
              value: { addParticipantsParticipantMixins: mixins },
            },
          });
        }
      } catch (error) {
        if (error.name !== 'ServerStatusCodeError') throw error;
        const code = error.statusCode ?? Number(/\d+/.exec(error.message)?.[0] ?? 403);
        return code >= 500
          ? { name: 'AddParticipantsResponseServerError', value: { errorServerErrors: { value: { code } } } }
          : { name: 'AddParticipantsResponseClientError', value: { errorAddParticipantsClientErrors: { value: { code } } } };
      }
      return { name: 'AddParticipantsResponseSuccess', value: { addParticipant } };
    };
  });

  __d('WAWebModifyParticipantsGroupAction', (require, exports) => {
    const groups = require('SandboxGroups');
    // They give nothing, and the metadata follows with the notice.
    const change = (what) => async (chat, participants) => {
      const group = groups.ofChat(chat, what);
      if (!Array.isArray(participants) || !participants.every((one) => chat.groupMetadata.participants.get(one?.id)))
        throw new TypeError(`${what}: not participants of this group`);
      await groups.ask({ op: 'change', group, what, members: participants.map((one) => one.id.toString()) });
    };
    exports.removeParticipants = change('remove');
    exports.promoteParticipants = change('promote');
    exports.demoteParticipants = change('demote');
  });

  __d('WAWebGroupModifyInfoJob', (require, exports) => {
    const groups = require('SandboxGroups');
    exports.setGroupSubject = async (wid, text) => {
      if (typeof text !== 'string') throw new TypeError('setGroupSubject: no subject');
      await groups.ask({ op: 'subject', group: groups.ofWid(wid, 'setGroupSubject'), text: text.toWellFormed() });
    };
    exports.setGroupDescription = async (wid, text, id, previous) => {
      if (typeof text !== 'string' || typeof id !== 'string') throw new TypeError('setGroupDescription: no description, or no id');
      const group = groups.ofWid(wid, 'setGroupDescription');
      await groups.ask({ op: 'description', group, text: text.toWellFormed(), previous: previous ?? null });
    };
  });

  __d('WAWebSetPropertyGroupAction', (require, exports) => {
    const groups = require('SandboxGroups');
    exports.setGroupProperty = async (chat, name, value) => {
      if (!Number.isInteger(value)) throw new TypeError('setGroupProperty: the value is no number');
      await groups.ask({ op: 'property', group: groups.ofChat(chat, 'setGroupProperty'), name, value });
    };
  });

  __d('WAWebApiMembershipApprovalRequestStore', (require, exports) => {
    const groups = require('SandboxGroups');
    const { createWid } = require('SandboxIds');
    exports.getMembershipApprovalRequests = async (wid) => {
      const group = groups.ofWid(wid, 'getMembershipApprovalRequests');
      const list = await groups.ask({ op: 'requests', group });
      return list.map(({ id, t }) => ({ id: createWid(id), addedBy: createWid(id), parentGroupId: null, requestMethod: 'InviteLink', t }));
    };
  });

  __d('WASmaxGroupsMembershipRequestsActionRPC', (require, exports) => {
    const groups = require('SandboxGroups');
    exports.sendMembershipRequestsActionRPC = async ({ iqTo, approveArgs, rejectArgs }) => {
      const what = 'sendMembershipRequestsActionRPC';
      const group = jid(iqTo, ['g.us'], what);
      const participant = [];
      try {
        for (const { participantJid } of (approveArgs ?? rejectArgs).participantArgs) {
          const member = person(participantJid, what);
          const code = await groups.ask({ op: 'answer', group, member, approve: Boolean(approveArgs) });
          const error = code === 200 ? undefined : { value: { error: String(code) } };
          participant.push({
            jid: member,
            [approveArgs ? 'membershipRequestsActionAcceptParticipantMixins' : 'membershipRequestsActionRejectParticipantMixins']: error,
          });
        }
      } catch (error) {
        if (error.name !== 'ServerStatusCodeError') throw error;
        return { name: 'MembershipRequestsActionResponseClientError', value: { errorMembershipRequestsActionClientErrors: { value: { code: error.statusCode ?? 403 } } } };
      }
      return {
        name: 'MembershipRequestsActionResponseSuccess',
        value: { [approveArgs ? 'membershipRequestsActionApprove' : 'membershipRequestsActionReject']: { participant } },
      };
    };
  });

  __d('WAWebExitGroupAction', (require, exports) => {
    const groups = require('SandboxGroups');
    exports.sendExitGroup = async (chat) => {
      await groups.ask({ op: 'leave', group: groups.ofChat(chat, 'sendExitGroup') });
    };
  });

  __d('WAWebChatSendMessages', (require, exports) => {
    const { MsgKey, createWid } = require('SandboxIds');
    const me = require('WAWebUserPrefsMeUser');
    // A message like any other, of a kind of its own.
    exports.sendGroupInviteMessage = async (chat, gid, subject, code, expires, comment, _thumb) => {
      if (typeof gid !== 'string' || typeof code !== 'string') throw new TypeError('sendGroupInviteMessage: no group, or no code');
      const from = chat.id.isLid() ? me.getMaybeMeLidUser() : me.getMaybeMePnUser();
      const id = new MsgKey({ from, to: chat.id, id: await MsgKey.newId(), selfDir: 'out' });
      const message = {
        id, from, to: chat.id, ack: 0, body: '', type: 'groups_v4_invite', local: true, self: 'out', isNewMsg: true,
        t: Math.floor(Date.now() / 1000),
        inviteGrp: createWid(gid).toString(), inviteGrpName: subject, inviteCode: code, inviteCodeExp: String(expires), comment,
      };
      const [added, result] = await require('WAWebSendMsgChatAction').addAndSendMsgToChat(chat, message);
      await added;
      return result;
    };
  });

  // Pictures of groups.
  __d('SandboxGroupPictures', (require, exports) => {
    const groups = require('SandboxGroups');
    const { Chat } = require('WAWebCollections');
    const mine = (wid) => Chat.get(wid)?.groupMetadata;
    exports.mayChange = (wid) => Boolean(mine(wid) && (!mine(wid).restrict || Chat.get(wid).iAmAdmin()));
    exports.set = async (wid, data) => {
      if (data !== null && !String(data).startsWith('data:image/jpeg;base64,')) throw new TypeError('sendSetPicture: no JPEG');
      await groups.ask({ op: 'picture', group: groups.ofWid(wid, 'sendSetPicture'), data });
      return { status: 200 };
    };
  }, { stage: 'sandbox' });
}
