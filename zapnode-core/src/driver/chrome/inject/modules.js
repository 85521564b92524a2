// The page's modules (fact sheet §0.1, §8.1): looked up anew at each use, under new and old names,
// directly and as `default`. Neither hits nor misses are kept: modules come late, and a page that
// swaps one must not leave us with the old.

/** A module's exports, or `undefined`: a missing one throws, or is null, or is undefined. */
function load(id) {
  try {
    return window.require(id) ?? undefined;
  } catch {
    return undefined;
  }
}

/** The objects in which a module's members may lie. */
function holders(id) {
  const exported = load(id);
  if (exported === undefined) return [];
  let inner;
  try {
    inner = exported.default;
  } catch {
    inner = undefined;
  }
  return inner !== undefined && inner !== null && inner !== exported ? [exported, inner] : [exported];
}

/**
 * What the bridge needs of the page. Each has places in order of preference: the module's id and
 * the member's names; `itself` is a module that is the thing (fact sheet §0.1). A dotted name goes
 * through a member. Without a `needed` one a session cannot work; the others only take their
 * feature with them. Those that the page itself does not need before the login are left alone until
 * then: a factory that runs too early throws, and may do so for ever (§0.1).
 */
const itself = Symbol("the module itself");
/** A module that is an object one can listen to. */
const anEmitter = Symbol("the module itself, an emitter");
const PARTS = {
  socket: { feature: "state", needed: true, at: [["WAWebSocketModel", "Socket"]] },
  stream: { feature: "state", at: [["WAWebStreamModel", "Stream"]] },
  conn: { feature: "qr", at: [["WAWebConnModel", "Conn"]] },
  cmd: { feature: "logout", at: [["WAWebCmd", "Cmd"]] },
  progress: {
    feature: "sync",
    at: [["WAWebOfflineHandler", "OfflineMessageHandler.getOfflineDeliveryProgress"]],
  },

  mePhone: {
    feature: "identity",
    needed: true,
    at: [["WAWebUserPrefsMeUser", "getMaybeMePnUser", "getMaybeMeUser", "getMeUser"]],
  },
  meLid: {
    feature: "identity",
    at: [["WAWebUserPrefsMeUser", "getMaybeMeLidUser", "getMaybeMeLid"]],
  },

  noiseInfo: { feature: "qr", at: [["WAWebUserPrefsInfoStore", "waNoiseInfo"]] },
  signalStore: { feature: "qr", at: [["WAWebSignalStoreApi", "waSignalStore"]] },
  advSecret: {
    feature: "qr",
    at: [
      ["WAWebUserPrefsMultiDevice", "getADVSecretKey"],
      ["WAWebAdvSignatureApi", "getADVSecretKey"],
    ],
  },
  platform: { feature: "qr", at: [["WAWebCompanionRegClientUtils", "DEVICE_PLATFORM"]] },
  encodeBase64: { feature: "qr", at: [["WABase64", "encodeB64"]] },
  refreshQr: {
    feature: "qr",
    at: [
      ["WAWebLaunchSocketUtils", "refreshQR"],
      ["WAWebCmd", "Cmd.refreshQR"],
    ],
  },

  setPairingType: { feature: "pairing code", at: [["WAWebAltDeviceLinkingApi", "setPairingType"]] },
  initializePairing: {
    feature: "pairing code",
    at: [["WAWebAltDeviceLinkingApi", "initializeAltDeviceLinking"]],
  },
  startPairing: {
    feature: "pairing code",
    at: [["WAWebAltDeviceLinkingApi", "startAltLinkingFlow"]],
  },
  initializeQr: {
    feature: "pairing code",
    at: [
      ["WAWebAltDeviceLinkingApi", "initializeQRLinking"],
      ["WAWebLaunchSocketUtils", "initializeQRLinking"],
    ],
  },

  messages: { feature: "receive", needed: true, at: [["WAWebCollections", "Msg"]] },
  chats: { feature: "send", needed: true, at: [["WAWebCollections", "Chat"]] },
  contacts: { feature: "names", at: [["WAWebCollections", "Contact"]] },
  createWid: { feature: "send", needed: true, at: [["WAWebWidFactory", "createWid"]] },
  asUserWid: { feature: "groups", at: [["WAWebWidFactory", "asUserWidOrThrow"]] },
  queryWidExists: {
    feature: "contacts",
    needed: true,
    at: [["WAWebQueryExistsJob", "queryWidExists"]],
  },
  findChat: {
    feature: "send",
    needed: true,
    at: [
      ["WAWebFindChatAction", "findOrCreateLatestChat"],
      ["WAWebCollections", "Chat.find"],
    ],
  },
  MsgKey: { feature: "send", needed: true, at: [["WAWebMsgKey", itself, "MsgKey"]] },
  sendMessage: {
    feature: "send",
    needed: true,
    at: [["WAWebSendMsgChatAction", "addAndSendMsgToChat"]],
  },
  ephemeral: {
    feature: "disappearing messages",
    at: [["WAWebGetEphemeralFieldsMsgActionsUtils", "getEphemeralFields"]],
  },
  blocklist: { feature: "blocked contacts", at: [["WAWebCollections", "Blocklist"]] },
  backendEvents: { feature: "restrictions", at: [["WAWebBackendEventBus", "BackendEventBus"]] },
  composing: { feature: "typing", at: [["WAWebChatStateBridge", "sendChatStateComposing"]] },
  composingPaused: { feature: "typing", at: [["WAWebChatStateBridge", "sendChatStatePaused"]] },
  recordingVoice: { feature: "typing", at: [["WAWebChatStateBridge", "sendChatStateRecording"]] },
  presenceAvailable: { feature: "presence", at: [["WAWebPresenceChatAction", "sendPresenceAvailable"]] },
  presenceUnavailable: { feature: "presence", at: [["WAWebPresenceChatAction", "sendPresenceUnavailable"]] },
  sendSeen: { feature: "seen", at: [["WAWebUpdateUnreadChatAction", "sendSeen", "markSeen"]] },

  sendEdit: { feature: "edit", at: [["WAWebSendMessageEditAction", "sendMessageEdit", "addAndSendMessageEdit"]] },
  canEditText: { feature: "edit", at: [["WAWebMsgActionCapability", "canEditText"]] },
  canEditCaption: { feature: "edit", at: [["WAWebMsgActionCapability", "canEditCaption"]] },
  revokeMessages: { feature: "revoke", at: [["WAWebCmd", "Cmd.sendRevokeMsgs"]] },
  deleteMessages: { feature: "revoke", at: [["WAWebCmd", "Cmd.sendDeleteMsgs"]] },
  canSenderRevoke: { feature: "revoke", at: [["WAWebMsgActionCapability", "canSenderRevokeMsg"]] },
  canAdminRevoke: { feature: "revoke", at: [["WAWebMsgActionCapability", "canAdminRevokeMsg"]] },
  sendReaction: { feature: "react", at: [["WAWebSendReactionMsgAction", "sendReactionToMsg", itself]] },
  starMessages: { feature: "star", at: [["WAWebCmd", "Cmd.sendStarMsgs"]] },
  unstarMessages: { feature: "star", at: [["WAWebCmd", "Cmd.sendUnstarMsgs"]] },
  canStar: { feature: "star", at: [["WAWebMsgActionCapability", "canStarMsg"]] },
  voteTable: {
    afterLogin: true,
    feature: "votes",
    at: [["WAWebAddonPollVoteTableMode", "pollVoteTableMode.bulkUpsert"]],
  },
  sendVote: { feature: "votes", at: [["WAWebPollsSendVoteMsgAction", "sendVote"]] },
  answerEvent: { feature: "events", at: [["WAWebSendEventResponseMsgAction", "sendEventResponseMsg"]] },
  eventCallLink: { feature: "events", at: [["WAWebGenerateEventCallLink", "createEventCallLink"]] },
  findLink: { feature: "link preview", at: [["WALinkify", "findLink"]] },
  linkPreview: { feature: "link preview", at: [["WAWebLinkPreviewChatAction", "getLinkPreview"]] },
  mediaTypeOfProto: { feature: "location", at: [["WAWebBackendJobsCommon", "mediaTypeFromProtobuf"]] },
  typeOfProto: { feature: "location", at: [["WAWebE2EProtoUtils", "typeAttributeFromProtobuf"]] },
  loadBundle: { feature: "forward", at: [["Bootloader", "loadModules"]] },
  forward: {
    afterLogin: true,
    feature: "forward",
    at: [["WAWebChatForwardMessage", "forwardMessages"]],
  },
  sendPin: { feature: "pin", at: [["WAWebSendPinMessageAction", "sendPinInChatMsg"]] },
  pinDuration: { feature: "pin", at: [["WAWebPinMsgConstants", "getPinExpiryDuration"]] },
  loadEarlier: {
    afterLogin: true,
    feature: "missed messages",
    at: [["WAWebChatLoadMessages", "loadEarlierMsgs"]],
  },
  messageBatches: { feature: "revokes", at: [["WAWebCollections", "Msg.processMultipleMessages"]] },
  reactionTable: {
    afterLogin: true,
    feature: "reactions",
    at: [
      ["WAWebAddonReactionTableMode", "reactionTableMode.bulkUpsert"],
      ["WAWebDBCreateOrUpdateReactions", "createOrUpdateReactions"],
    ],
  },
  incomingCall: { afterLogin: true, feature: "calls", at: [["WAWebCallCollection", "setActiveCall", "processIncomingCall"]] },
  calls: { afterLogin: true, feature: "calls", at: [["WAWebCallCollection", anEmitter]] },
  askForPlaceholders: {
    afterLogin: true,
    feature: "late messages",
    at: [["WAWebNonMessageDataRequestPlaceholderMessageResendUtils", "handlePlaceholderMsgsSeen"]],
  },
  resendGate: {
    afterLogin: true,
    feature: "late messages",
    at: [["WAWebSyncGatingUtils", "isPlaceholderMessageResendEnabled"]],
  },
  canReply: { feature: "reply", at: [["WAWebMsgReply", "canReplyMsg"]] },

  OpaqueData: { afterLogin: true, feature: "media", at: [["WAWebMediaOpaqueData", itself]] },
  prepareMedia: { afterLogin: true, feature: "media", at: [["WAWebPrepRawMedia", "prepRawMedia"]] },
  mediaObject: { afterLogin: true, feature: "media", at: [["WAWebMediaStorage", "getOrCreateMediaObject"]] },
  mediaType: { afterLogin: true, feature: "media", at: [["WAWebMmsMediaTypes", "msgToMediaType"]] },
  uploadMedia: { afterLogin: true, feature: "media", at: [["WAWebMediaMmsV4Upload", "uploadMedia"]] },
  uploadLimit: { afterLogin: true, feature: "media limits", at: [["WAWebMediaGatingUtils", "getUploadLimit"]] },
  castMediaType: { afterLogin: true, feature: "media cache", at: [["WAWebMmsMediaTypes", "castToV4"]] },
  usesMediaCache: { afterLogin: true, feature: "media cache", at: [["WAWebMediaDataUtils", "shouldUseMediaCache"]] },
  mediaCache: {
    afterLogin: true,
    feature: "media cache",
    at: [["WAWebMediaInMemoryBlobCache", "InMemoryMediaBlobCache"]],
  },
  uploadSticker: { afterLogin: true, feature: "stickers", at: [["WAWebUploadManager", "encryptAndUpload"]] },
  stickerUploadQpl: { afterLogin: true, feature: "stickers", at: [["WAWebStartMediaUploadQpl", "startMediaUploadQpl"]] },
  toSticker: { afterLogin: true, feature: "stickers of pictures", at: [["WAWebImageUtils", "toWebpSticker"]] },
  downloads: { afterLogin: true, feature: "media download", at: [["WAWebDownloadManager", "downloadManager"]] },
  typeOfMedia: { afterLogin: true, feature: "media download", at: [["WAWebMmsMediaTypes", "getMsgMediaType"]] },

  findBefore: { afterLogin: true, feature: "history", at: [["WAWebDBMessageFindLocal", "msgFindByDirection"]] },
  archiveChat: { feature: "chats", at: [["WAWebCmd", "Cmd.archiveChat"]] },
  pinChat: { feature: "chats", at: [["WAWebCmd", "Cmd.pinChat"]] },
  markUnread: {
    feature: "chats",
    at: [
      ["WAWebCmd", "Cmd.markChatUnread"],
      ["WAWebUpdateUnreadChatAction", "markUnread"],
    ],
  },
  clearChat: { afterLogin: true, feature: "chats", at: [["WAWebChatClearBridge", "sendClear"]] },
  deleteChat: { afterLogin: true, feature: "chats", at: [["WAWebDeleteChatAction", "sendDelete"]] },
  pictures: { feature: "pictures", at: [["WAWebCollections", "ProfilePicThumb"]] },
  requestPicture: {
    afterLogin: true,
    feature: "pictures",
    at: [["WAWebContactProfilePicThumbBridge", "requestProfilePicFromServer"]],
  },
  setPicture: { afterLogin: true, feature: "profile", at: [["WAWebContactProfilePicThumbBridge", "sendSetPicture"]] },
  deletePicture: {
    afterLogin: true,
    feature: "profile",
    at: [["WAWebContactProfilePicThumbBridge", "requestDeletePicture"]],
  },
  getAbout: { afterLogin: true, feature: "about", at: [["WAWebContactStatusBridge", "getStatus"]] },
  setAbout: { afterLogin: true, feature: "profile", at: [["WAWebContactStatusBridge", "setMyStatus"]] },
  setName: { afterLogin: true, feature: "profile", at: [["WAWebSetPushnameConnAction", "setPushname"]] },
  businesses: { feature: "business profiles", at: [["WAWebCollections", "BusinessProfile"]] },
  blockContact: { afterLogin: true, feature: "blocking", at: [["WAWebBlockContactAction", "blockContact"]] },
  unblockContact: { afterLogin: true, feature: "blocking", at: [["WAWebBlockContactAction", "unblockContact"]] },
  contactName: { feature: "names", at: [["WAWebContactGetters", "getName"]] },
  contactShortName: { feature: "names", at: [["WAWebContactGetters", "getShortName"]] },
  contactPushName: { feature: "names", at: [["WAWebContactGetters", "getPushname"]] },
  contactVerifiedName: { feature: "names", at: [["WAWebContactGetters", "getVerifiedName"]] },
  isMyContact: {
    feature: "names",
    at: [
      ["WAWebFrontendContactGetters", "getIsMyContact"],
      ["WAWebContactGetters", "getIsMyContact"],
    ],
  },
  voipStack: { afterLogin: true, feature: "rejecting calls", at: [["WAWebVoipStackInterface", "getVoipStackInterface"]] },
  wap: { afterLogin: true, feature: "rejecting calls", at: [["WAWap", "wap"]] },
  stanzaId: { afterLogin: true, feature: "rejecting calls", at: [["WAWap", "generateId"]] },
  castStanza: { afterLogin: true, feature: "rejecting calls", at: [["WADeprecatedSendIq", "deprecatedCastStanza"]] },

  lidOf: {
    feature: "identities",
    at: [
      ["WAWebApiContact", "getCurrentLid"],
      ["WAWebLidMigrationUtils", "toLid", "getCurrentLidForUserWid", "getEnforceCurrentLid"],
    ],
  },
  phoneOf: {
    feature: "identities",
    at: [
      ["WAWebApiContact", "getPhoneNumber"],
      ["WAWebLidMigrationUtils", "toPn"],
    ],
  },
  alternate: { feature: "identities", at: [["WAWebApiContact", "getAlternateUserWid"]] },
  // Groups (§6.1). The page needs none of it before the login.
  ...Object.fromEntries(
    Object.entries({
      groupMetadata: [["WAWebCollections", "WAWebGroupMetadataCollection", "GroupMetadata"]],
      queryGroup: [["WAWebGroupQueryJob", "queryAndUpdateGroupMetadataById"]],
      createGroup: [["WAWebGroupCreateJob", "createGroup"]],
      addParticipants: [["WASmaxGroupsAddParticipantsRPC", "sendAddParticipantsRPC"]],
      removeParticipants: [["WAWebModifyParticipantsGroupAction", "removeParticipants"]],
      promoteParticipants: [["WAWebModifyParticipantsGroupAction", "promoteParticipants"]],
      demoteParticipants: [["WAWebModifyParticipantsGroupAction", "demoteParticipants"]],
      setGroupSubject: [["WAWebGroupModifyInfoJob", "setGroupSubject"]],
      setGroupDescription: [["WAWebGroupModifyInfoJob", "setGroupDescription"]],
      setGroupProperty: [["WAWebSetPropertyGroupAction", "setGroupProperty"]],
      inviteCode: [
        ["WAWebMexFetchGroupInviteCodeJob", "fetchMexGroupInviteCode"],
        ["WAWebGroupQueryJob", "queryGroupInviteCode"],
      ],
      resetInvite: [["WAWebGroupQueryJob", "resetGroupInviteCode"]],
      queryInvite: [["WAWebGroupQueryJob", "queryGroupInvite"]],
      joinByInvite: [
        ["WAWebGroupInviteJob", "joinGroupViaInvite"],
        ["WAWebGroupQueryJob", "joinGroupViaInvite"],
      ],
      joinRequests: [["WAWebApiMembershipApprovalRequestStore", "getMembershipApprovalRequests"]],
      answerJoinRequest: [["WASmaxGroupsMembershipRequestsActionRPC", "sendMembershipRequestsActionRPC"]],
      exitGroup: [["WAWebExitGroupAction", "sendExitGroup"]],
      sendInviteCard: [["WAWebChatSendMessages", "sendGroupInviteMessage"]],
      userJid: [["WAWebWidToJid", "widToUserJid"]],
      groupJid: [["WAWebWidToJid", "widToGroupJid"]],
      pictureThumbs: [["WAWebCollections", "ProfilePicThumb"]],
      setChatPicture: [["WAWebContactProfilePicThumbBridge", "sendSetPicture"]],
      deleteChatPicture: [["WAWebContactProfilePicThumbBridge", "requestDeletePicture"]],
    }).map(([name, at]) => [name, { afterLogin: true, feature: "groups", at }]),
  ),
  // Channels, labels, status (§4.6, §6, §6.2).
  newsletters: {
    afterLogin: true,
    feature: "channels",
    at: [["WAWebCollections", "WAWebNewsletterCollection", "NewsletterCollection"]],
  },
  newsletterRole: { afterLogin: true, feature: "channels", at: [["WAWebNewsletterModelUtils", "getRoleByIdentifier"]] },
  queryNewsletter: {
    afterLogin: true,
    feature: "channels",
    at: [["WAWebNewsletterMetadataQueryJob", "queryNewsletterMetadataByInviteCode"]],
  },
  loadNewsletterPreview: {
    afterLogin: true,
    feature: "channels",
    at: [["WAWebLoadNewsletterPreviewChatAction", "loadNewsletterPreviewChat"]],
  },
  createNewsletter: { afterLogin: true, feature: "channels", at: [["WAWebNewsletterCreateQueryJob", "createNewsletterQuery"]] },
  mayCreateNewsletter: {
    afterLogin: true,
    feature: "channels",
    at: [["WAWebNewsletterGatingUtils", "isNewsletterCreationEnabled"]],
  },
  followNewsletter: {
    afterLogin: true,
    feature: "channels",
    at: [["WAWebNewsletterSubscribeAction", "subscribeToNewsletterAction"]],
  },
  unfollowNewsletter: {
    afterLogin: true,
    feature: "channels",
    at: [["WAWebNewsletterUnsubscribeAction", "unsubscribeFromNewsletterAction"]],
  },
  newsletterRecord: { afterLogin: true, feature: "channels", at: [["WAWebMsgDataFromModel", "msgDataFromMsgModel"]] },
  keepNewsletterRecords: {
    afterLogin: true,
    feature: "channels",
    at: [["WAWebNewsletterUpdateMsgsRecordsJob", "addNewsletterMsgsRecords"]],
  },
  updateNewsletterRecord: {
    afterLogin: true,
    feature: "channels",
    at: [["WAWebNewsletterUpdateMsgsRecordsJob", "updateNewsletterMsgRecord"]],
  },
  sendNewsletterMessage: {
    afterLogin: true,
    feature: "channels",
    at: [["WAWebNewsletterSendMessageJob", "sendNewsletterMessageJob"]],
  },
  labels: { afterLogin: true, feature: "labels", at: [["WAWebCollections", "Label"]] },
  statuses: { afterLogin: true, feature: "status", at: [["WAWebCollections", "Status"]] },
  postTextStatus: { afterLogin: true, feature: "status", at: [["WAWebSendStatusMsgAction", "sendStatusTextMsgAction"]] },
};

/** What lies in a holder under a name; the module itself must be a constructor or a function. */
function pick(holder, name) {
  if (name === anEmitter) return typeof holder?.on === "function" ? { owner: undefined, value: holder } : null;
  if (name === itself) return typeof holder === "function" ? { owner: undefined, value: holder } : null;
  let owner = holder;
  const path = name.split(".");
  for (const step of path.slice(0, -1)) {
    owner = owner[step];
    if (owner === undefined || owner === null) return null;
  }
  const member = path[path.length - 1];
  const value = owner[member];
  return value === undefined || value === null ? null : { owner, member, value };
}

/** Every place where a part is found, best first: `{value, owner, member, where}`. */
function* found(name) {
  if (isTooEarly(name)) return;
  for (const [id, ...names] of PARTS[name].at) {
    for (const member of names) {
      for (const holder of holders(id)) {
        let hit = null;
        try {
          hit = pick(holder, member);
        } catch {
          // A getter that throws is as good as none.
        }
        if (hit) {
          yield { ...hit, where: typeof member === "symbol" ? id : `${id}.${member}` };
          break;
        }
      }
    }
  }
}

let loggedIn = false;

function isTooEarly(name) {
  if (PARTS[name].afterLogin !== true) return false;
  loggedIn ||= socketState() === "CONNECTED";
  return !loggedIn;
}

/** A part's first place, or `undefined`. */
function look(name) {
  for (const hit of found(name)) return hit;
  return undefined;
}

/** A part's value, or `undefined`. */
function optional(name) {
  return look(name)?.value;
}

/** A part's value; without it the command at hand is not supported. */
function needed(name) {
  const hit = look(name);
  if (!hit) throw missing(placeOf(name));
  return hit.value;
}

/** Calls a part that is a function, on the object it lies in. */
function invoke(name, ...args) {
  const hit = look(name);
  if (!hit || typeof hit.value !== "function") throw missing(placeOf(name));
  return hit.value.call(hit.owner, ...args);
}

/** Calls an optional part; whatever goes wrong is `undefined`. */
function attempt(name, ...args) {
  for (const { value, owner } of found(name)) {
    try {
      const result = value.call(owner, ...args);
      if (result !== undefined && result !== null) return result;
    } catch {
      // The next place may do.
    }
  }
  return undefined;
}

function placeOf(name) {
  const [id, member] = PARTS[name].at[0];
  return typeof member === "symbol" ? id : `${id}.${member}`;
}

/** The needed parts that are not there, by their first place. */
function missingParts() {
  return Object.keys(PARTS).filter((name) => PARTS[name].needed && !look(name)).map(placeOf);
}

/** What is listened to already, by emitter. */
const listening = new WeakMap();

/**
 * Listens to an emitter of the page, once however often it is asked for; says whether that is new.
 * The listener can harm neither the page nor the others.
 */
function listen(emitter, events, name, listener) {
  const known = listening.get(emitter) ?? new Set();
  const key = `${name} ${events}`;
  if (known.has(key)) return false;
  emitter.on(events, (...args) => {
    guarded(name, () => listener(...args));
  });
  listening.set(emitter, known.add(key));
  return true;
}

/** The page's build (fact sheet §8.1), or `null`. */
function version() {
  const read = [
    () => load("WAWebBuildConstants")?.VERSION_STR,
    () => load("WAWebBuildConstants")?.default?.VERSION_STR,
    () => load("WAWebUpdaterVersion")?.SANITIZED_VERSION_STR,
    () => load("WAWebBuildConstants")?.SANITIZED_VERSION_STR,
    () => window.Debug?.VERSION,
    () => {
      const revision = load("SiteData")?.client_revision ?? window.SiteData?.client_revision;
      return revision ? `2.3000.${revision}` : null;
    },
  ];
  for (const one of read) {
    try {
      const value = one();
      if (value) return String(value);
    } catch {
      // The next one may do.
    }
  }
  return null;
}
