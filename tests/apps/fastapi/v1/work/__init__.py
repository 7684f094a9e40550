from handlers import work as main
