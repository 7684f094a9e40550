from handlers import store as main
