// What a person sees: the state in words, and the chats.
if (!window.__sandboxRefused)
  __d('SandboxUi', (require, exports) => {
    const { Socket } = require('WAWebSocketModel');
    const { Stream } = require('WAWebStreamModel');
    const { Conn } = require('WAWebConnModel');
    const { Chat, Msg } = require('WAWebCollections');
    const at = (id) => document.getElementById(id);
    const words = {
      UNLAUNCHED: 'Starting',
      OPENING: 'Connecting',
      PAIRING: 'Logging in',
      UNPAIRED: 'Waiting for a scan',
      UNPAIRED_IDLE: 'The QR has expired',
      TIMEOUT: 'No connection',
      CONFLICT: 'WhatsApp is open in another window',
      DEPRECATED_VERSION: 'This version is too old. Update WhatsApp',
    };
    let passkey = false;
    let drawing = false;

    function draw() {
      drawing = false;
      at('wa_web_initial_startup').hidden = Socket.state !== 'UNLAUNCHED';
      if (passkey) {
        at('status').textContent = 'Continue on WhatsApp Web';
        at('detail').textContent = 'Use your passkey to go on.';
        at('qr').textContent = '';
        return;
      }
      const connected = Socket.hasSynced && Stream.mode === 'MAIN' ? 'Ready' : 'Syncing';
      at('status').textContent = Socket.state === 'CONNECTED' ? connected : (words[Socket.state] ?? Socket.state);
      at('detail').textContent = Conn.wid
        ? `${Conn.pushname} · +${Conn.wid.user}`
        : 'Scan with a simulated phone at /_sandbox/.';
      at('qr').textContent = Socket.state === 'UNPAIRED' && Conn.ref ? `QR: ${Conn.ref}` : '';
      const lines = Chat.getModelsArray()
        .sort((a, b) => b.t - a.t)
        .slice(0, 30)
        .map((chat) => {
          const line = document.createElement('li');
          const last = require('SandboxMessages').lastOf(chat);
          line.textContent = `${chat.formattedTitle}${chat.unreadCount ? ` (${chat.unreadCount})` : ''}: ${String((last?.directPath ? `[${last.type}] ${last.caption ?? ''}` : last?.body) ?? '').slice(0, 200)}`;
          return line;
        });
      at('chats').replaceChildren(...lines);
    }

    // At most four times a second: drawing must not slow a burst of messages.
    const soon = () => {
      if (drawing) return;
      drawing = true;
      setTimeout(draw, 250);
    };

    exports.start = () => {
      for (const source of [Socket, Stream, Conn, Chat]) source.on('change add', soon);
      Msg.on('add', soon);
      draw();
    };
    exports.passkey = () => {
      passkey = true;
      draw();
    };
  }, { stage: 'sandbox' });
