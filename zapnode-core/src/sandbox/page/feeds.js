// What is shown to many: channels, status; and labels of WhatsApp Business (fact sheet §4.6, §6, §6.2).
if (!window.__sandboxRefused) {
  __d('SandboxFeeds', (require, exports) => {
    const { Model, Collection } = require('SandboxModels');
    const { createWid, MsgKey } = require('SandboxIds');
    const { Msg, Chat, Label, Status, WAWebNewsletterCollection: channels } = require('WAWebCollections');
    const { Conn } = require('WAWebConnModel');
    const wire = require('SandboxWire');

    exports.ask = async (call) => {
      if (!require('SandboxSession').mayAct()) throw new Error(`${call.op} while syncing`);
      const { value, status } = await wire.ask({ t: 'feed', call });
      if (status) throw require('SandboxSend').serverError(status);
      return value;
    };

    function messageOf(post, chat, isNewMsg) {
      const id = new MsgKey({ fromMe: post.fromMe, remote: chat, id: post.id, participant: post.by ? createWid(post.by) : undefined });
      const known = Msg.get(id);
      if (known) return known;
      const from = post.by ? createWid(post.by) : chat;
      const model = new Msg.modelClass({
        id, ack: 1, body: post.text, type: 'chat', t: post.at, from: post.by ? chat : from, to: chat, author: post.by ? from : undefined,
        self: post.fromMe ? 'out' : 'in', isNewMsg, notifyName: post.name, star: false, isStatusV3: Boolean(post.by),
      });
      Msg.add(model);
      return model;
    }

    // A channel has a chat of its own kind, and metadata.
    class ChannelModel extends Model {
      static fields = ['id', 'name', 't', 'msgs', 'newsletterMetadata', 'mute', 'unreadCount'];
      get formattedTitle() {
        return this.name;
      }
    }
    exports.learnChannel = (frame, isNewMsg) => {
      const wid = createWid(frame.id);
      let chat = channels.get(wid);
      if (!chat) {
        chat = new ChannelModel({ id: wid, name: frame.name, t: frame.at, msgs: new Collection(Msg.modelClass), mute: { expiration: 0 }, unreadCount: 0 });
        channels.add(chat);
      }
      const metadata = new Model({
        id: wid, name: frame.name, description: frame.description ?? undefined, inviteCode: frame.code,
        membershipType: frame.role, size: frame.followers, creationTime: frame.at,
      });
      chat.attributes.newsletterMetadata = metadata;
      for (const post of frame.posts) chat.msgs.add(messageOf(post, wid, isNewMsg));
      return chat;
    };

    function learnStatus({ by, name, posts, fromMe, seen }, isNewMsg) {
      const wid = createWid(by);
      let feed = Status.get(wid);
      if (!feed) {
        feed = new Model({ id: wid, msgs: new Collection(Msg.modelClass) });
        Status.add(feed);
      }
      const status = createWid('status@broadcast');
      for (const post of posts) feed.msgs.add(messageOf({ ...post, by, name, fromMe }, status, isNewMsg));
      feed.set({ t: posts.at(-1)?.at, totalCount: posts.length, unreadCount: fromMe ? 0 : posts.length - seen });
    }

    function learnLabels(labels) {
      for (const known of Label.getModelsArray()) Label.remove(known);
      const marks = new Map();
      for (const { id, name, color, chats } of labels) {
        const items = new Collection();
        for (const chat of chats) {
          items.add({ id: `${id} ${chat}`, parentType: 'Chat', parentId: chat });
          marks.set(chat, [...(marks.get(chat) ?? []), id]);
        }
        Label.add(new Model({ id, name, hexColor: color, labelItemCollection: items }));
      }
      for (const chat of Chat.getModelsArray()) chat.set({ labels: marks.get(chat.id.toString()) ?? [] });
    }

    exports.learn = (state, isNewMsg) => {
      Conn.set({ platform: state.business ? 'smba' : 'android' });
      for (const channel of state.channels) exports.learnChannel(channel, isNewMsg);
      for (const known of channels.getModelsArray())
        if (!state.channels.some(({ id }) => id === known.id.toString())) channels.remove(known);
      for (const feed of state.statuses) learnStatus(feed, isNewMsg);
      learnLabels(state.labels);
    };

    Label.addOrRemoveLabels = async (actions, chats) => {
      for (const { id, type } of actions) {
        if (!['add', 'remove'].includes(type)) throw new TypeError('addOrRemoveLabels: add or remove');
        for (const chat of chats) if (!Chat.get(chat?.id)) throw new TypeError('addOrRemoveLabels: not a chat');
        await exports.ask({ op: 'label', label: String(id), on: type === 'add', chats: chats.map((chat) => chat.id.toString()) });
      }
    };
    wire.events.on('feeds', ({ value }) => exports.learn(value, true));
    exports.start = () => require('SandboxSession').whenReady(async () => exports.learn(await exports.ask({ op: 'state' }), false));
  }, { stage: 'sandbox' });

  __d('WAWebSendStatusMsgAction', (require, exports) => {
    exports.sendStatusTextMsgAction = async ({ color, font, text }) => {
      if (typeof text !== 'string' || !text) throw new TypeError('sendStatusTextMsgAction: no text');
      if (!Number.isInteger(color) || !Number.isInteger(font) || font < 0 || font > 7) throw new TypeError('sendStatusTextMsgAction: no color, or no font');
      // The page shows it with the servers' next word; the call tells nothing.
      await require('SandboxFeeds').ask({ op: 'status', text: text.toWellFormed() });
    };
  });

  __d('WAWebNewsletterGatingUtils', (require, exports) => {
    exports.isNewsletterCreationEnabled = () => require('SandboxLoader').config.faults.channelCreation;
  });

  __d('WAWebNewsletterModelUtils', (require, exports) => {
    const { WAWebNewsletterCollection: channels } = require('WAWebCollections');
    exports.getRoleByIdentifier = (code) =>
      channels.getModelsArray().find((one) => one.newsletterMetadata?.inviteCode === code)?.newsletterMetadata.membershipType ?? 'guest';
  });

  __d('SandboxChannelAnswers', (_require, exports) => {
    exports.answer = (frame) => ({
      idJid: frame.id,
      newsletterNameMetadataMixin: { nameElementValue: frame.name, nameUpdateTime: frame.at },
      newsletterDescriptionMetadataMixin: { descriptionQueryDescriptionResponseMixin: { elementValue: frame.description ?? '', updateTime: frame.at } },
      newsletterInviteLinkMetadataMixin: { inviteCode: frame.code },
      newsletterSubscribersMetadataMixin: { subscribersCount: frame.followers },
      newsletterCreationTimeMetadataMixin: { creationTimeValue: frame.at },
      newsletterStateMetadataMixin: { stateType: 'active' },
      newsletterVerificationMetadataMixin: { verificationState: 'unverified' },
    });
  }, { stage: 'sandbox' });

  __d('WAWebNewsletterMetadataQueryJob', (require, exports) => {
    exports.queryNewsletterMetadataByInviteCode = async (code, role) => {
      if (typeof code !== 'string' || typeof role !== 'string') throw new TypeError('queryNewsletterMetadataByInviteCode: no code, or no role');
      return require('SandboxChannelAnswers').answer(await require('SandboxFeeds').ask({ op: 'invite', code }));
    };
  });

  __d('WAWebNewsletterCreateQueryJob', (require, exports) => {
    exports.createNewsletterQuery = async ({ name, description }) => {
      if (!require('SandboxLoader').config.faults.channelCreation) throw require('SandboxSend').serverError(403);
      const frame = await require('SandboxFeeds').ask({ op: 'createChannel', name, description: description ?? null });
      return require('SandboxChannelAnswers').answer(frame);
    };
  });

  __d('WAWebLoadNewsletterPreviewChatAction', (require, exports) => {
    exports.loadNewsletterPreviewChat = async (id) => {
      const feeds = require('SandboxFeeds');
      feeds.learnChannel(await feeds.ask({ op: 'channel', id: String(id) }), false);
    };
  });

  const follow = (on) => (require, exports) => {
    const { WAWebNewsletterCollection: channels } = require('WAWebCollections');
    exports[on ? 'subscribeToNewsletterAction' : 'unsubscribeFromNewsletterAction'] = async (chat, options) => {
      if (!channels.get(chat?.id) || options?.eventSurface === undefined) throw new TypeError('not a channel, or no surface');
      await require('SandboxFeeds').ask({ op: 'follow', id: chat.id.toString(), on });
      if (!on && options.deleteLocalModels) channels.remove(chat);
    };
  };
  __d('WAWebNewsletterSubscribeAction', follow(true));
  __d('WAWebNewsletterUnsubscribeAction', follow(false));

  __d('WAWebMsgDataFromModel', (_require, exports) => {
    exports.msgDataFromMsgModel = (model) => model.serialize();
  });
  __d('WAWebNewsletterUpdateMsgsRecordsJob', (_require, exports) => {
    const kept = new Set();
    exports.addNewsletterMsgsRecords = async (records) => {
      for (const record of records) kept.add(String(record.id));
    };
    exports.updateNewsletterMsgRecord = async (model) => {
      if (!kept.has(String(model.id))) throw new Error('updateNewsletterMsgRecord: no such record');
    };
  });
  __d('WAWebNewsletterSendMessageJob', (require, exports) => {
    const { Msg } = require('WAWebCollections');
    exports.sendNewsletterMessageJob = async ({ msg, type, newsletterJid }) => {
      if (type !== 'text' || msg.type !== 'chat') throw new TypeError('sendNewsletterMessageJob: not in the sandbox');
      Msg.add(msg);
      const { at, serverId } = await require('SandboxFeeds').ask({
        op: 'post', channel: newsletterJid, id: msg.id.id, text: String(msg.body).toWellFormed(),
      });
      return { success: true, ack: { t: at }, serverId };
    };
  });
}
