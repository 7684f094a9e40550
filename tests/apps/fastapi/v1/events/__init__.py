from handlers import events as main
